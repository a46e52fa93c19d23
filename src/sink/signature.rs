//! Signatures: Standard Webhooks `v1` (HMAC-SHA256) and `v1a` (ed25519), both over `id.timestamp.body`, and GitHub's, over the body. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use ring::signature::Ed25519KeyPair;

use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// Bytes a symmetric key may have.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// Bytes of an ed25519 seed; some write the public key behind it.
const SEED: usize = 32;

/// How a request is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `webhook-signature: v1,…`
    #[default]
    V1,
    /// `webhook-signature: v1a,…`: whoever verifies cannot sign.
    V1a,
    /// Both, for consumers that move from one to the other.
    Both,
    /// `X-Hub-Signature-256: sha256=…`
    GitHub,
}

/// A signing key.
pub(super) enum Key {
    /// Of `whsec_…`.
    V1(hmac::Key),
    /// Of `whsk_…`.
    V1a(Box<Ed25519KeyPair>),
    /// Of any text.
    GitHub(hmac::Key),
}

/// Why a secret is no signing key. Says nothing of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// The prefix is missing.
    #[error("a webhook secret begins with whsec_")]
    Prefix,
    /// The prefix is missing.
    #[error("a webhook secret of signature = \"v1a\" begins with whsk_")]
    PrefixV1a,
    /// The prefix is missing.
    #[error("a webhook secret of signature = \"v1+v1a\" begins with whsec_ or whsk_")]
    PrefixBoth,
    /// What follows is no base64.
    #[error("what follows the prefix of a webhook secret is not base64")]
    Base64,
    /// Too short or too long.
    #[error("a webhook secret holds 24 to 64 bytes, this one {0}")]
    Length(usize),
    /// No ed25519 key.
    #[error("what follows whsk_ is the 32 bytes of an ed25519 seed, with or without the 32 of its public key behind them")]
    Seed,
}

impl Key {
    /// The key in a secret.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(super) fn parse(secret: &Secret, scheme: Scheme) -> Result<Self, KeyError> {
        let text = secret.expose();
        let (whsec, whsk) = (text.strip_prefix("whsec_"), text.strip_prefix("whsk_"));
        match (scheme, whsec, whsk) {
            (Scheme::V1 | Scheme::Both, Some(encoded), _) => {
                let key = BASE64_STANDARD.decode(encoded).map_err(|_| KeyError::Base64)?;
                if !KEY_LENGTH.contains(&key.len()) {
                    return Err(KeyError::Length(key.len()));
                }
                Ok(Self::V1(hmac::Key::new(hmac::HMAC_SHA256, &key)))
            }
            (Scheme::V1a | Scheme::Both, _, Some(encoded)) => {
                let key = BASE64_STANDARD.decode(encoded).map_err(|_| KeyError::Base64)?;
                let pair = match key.split_at_checked(SEED).ok_or(KeyError::Seed)? {
                    (seed, []) => Ed25519KeyPair::from_seed_unchecked(seed),
                    (seed, public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                };
                pair.map(|pair| Self::V1a(Box::new(pair))).map_err(|_| KeyError::Seed)
            }
            (Scheme::GitHub, ..) => Ok(Self::GitHub(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))),
            (Scheme::V1, ..) => Err(KeyError::Prefix),
            (Scheme::V1a, ..) => Err(KeyError::PrefixV1a),
            (Scheme::Both, ..) => Err(KeyError::PrefixBoth),
        }
    }

    fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signed = || [format!("{id}.{}.", at.unix_seconds()).as_bytes(), body].concat();
        match self {
            Self::V1(key) => format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(key, &signed()))),
            Self::V1a(pair) => format!("v1a,{}", BASE64_STANDARD.encode(pair.sign(&signed()))),
            Self::GitHub(key) => {
                let hex: String = hmac::sign(key, body).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                format!("sha256={hex}")
            }
        }
    }
}

/// The signing header: its name, and one signature a key, separated by exactly one space (two make a verifier crash). GitHub's holds one.
#[must_use]
pub(super) fn header(keys: &[Key], id: &str, at: Timestamp, body: &[u8]) -> Option<(&'static str, String)> {
    match keys.first()? {
        key @ Key::GitHub(_) => Some(("x-hub-signature-256", key.sign(id, at, body))),
        _ => Some(("webhook-signature", keys.iter().map(|key| key.sign(id, at, body)).collect::<Vec<_>>().join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const SECOND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const PRIVATE: &str = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=";
    const PUBLIC: &str = "ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g=";

    fn key(secret: &str) -> Key {
        Key::parse(&Secret::new(secret.into()), Scheme::Both).unwrap()
    }

    fn signature(keys: &[Key], id: &str, at: Timestamp, body: &[u8]) -> String {
        header(keys, id, at, body).unwrap().1
    }

    #[test]
    fn d16_the_published_vectors() {
        let check = |secret, id, at: i64, body: &str, expected| {
            assert_eq!(signature(&[key(secret)], id, Timestamp(at * 1000 + 999), body.as_bytes()), expected);
        };
        check(
            FIRST,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        );
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        check(SECOND, id, at, body, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let v1a = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==";
        check(PRIVATE, id, at, body, v1a);
        // The example of GitHub's manual.
        let github = Key::parse(&Secret::new("It's a Secret to Everybody".into()), Scheme::GitHub).unwrap();
        let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".to_owned();
        assert_eq!(header(&[github], "x", Timestamp(0), b"Hello, World!"), Some(("x-hub-signature-256", expected)));
        assert_eq!(header(&[], "x", Timestamp(0), b""), None);
    }

    fn verify(secret: &str, signature: &str, at: Timestamp, body: &[u8]) -> bool {
        let mut headers = std::collections::HashMap::new();
        for (name, value) in
            [("webhook-id", "evt_1"), ("webhook-timestamp", &at.unix_seconds().to_string()), ("webhook-signature", signature)]
        {
            headers.insert(name.to_owned(), value.to_owned());
        }
        let headers: reqwest::header::HeaderMap = (&headers).try_into().unwrap();
        standardwebhooks::Webhook::new(secret).unwrap().verify(body, &headers).is_ok()
    }

    #[test]
    fn d18_the_official_verifier_accepts_each_key_of_a_rotation() {
        let (at, body) = (crate::clock::now(), "{\"title\":\"Умєров: є і ї ґ ’ \u{2028} 🙂\"}".as_bytes());
        let signature = signature(&[key(FIRST), key(SECOND)], "evt_1", at, body);
        assert_eq!(signature.split(' ').count(), 2);
        assert!(verify(FIRST, &signature, at, body) && verify(SECOND, &signature, at, body));
        assert!(!verify("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &signature, at, body));
    }

    #[test]
    fn d19_v1a_verifies_with_the_public_key_and_verifiers_of_v1_pass_over_it() {
        let (at, body) = (crate::clock::now(), b"{}");
        let both = signature(&[key(PRIVATE), key(FIRST)], "evt_1", at, body);
        assert!(verify(FIRST, &both, at, body), "{both}");
        let v1a = both.split(' ').next().unwrap().strip_prefix("v1a,").unwrap();
        let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, BASE64_STANDARD.decode(PUBLIC).unwrap());
        let signed = format!("evt_1.{}.{{}}", at.unix_seconds());
        assert!(public.verify(signed.as_bytes(), &BASE64_STANDARD.decode(v1a).unwrap()).is_ok());
    }

    #[test]
    fn what_is_no_key() {
        let check = |scheme, secret: &str, error| assert_eq!(Key::parse(&Secret::new(secret.into()), scheme).err(), Some(error));
        check(Scheme::V1, "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", KeyError::Prefix);
        check(Scheme::V1, PRIVATE, KeyError::Prefix);
        check(Scheme::V1a, FIRST, KeyError::PrefixV1a);
        check(Scheme::Both, "C2FVsBQIhrscChlQIMV+b5sSYspob7oD", KeyError::PrefixBoth);
        check(Scheme::V1, "whsec_не", KeyError::Base64);
        check(Scheme::V1, "whsec_AAAA", KeyError::Length(3));
        check(Scheme::V1a, "whsk_AAAA", KeyError::Seed);
    }
}
