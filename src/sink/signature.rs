//! Standard Webhooks signatures, version 1: HMAC-SHA256 over `id.timestamp.body`. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// Bytes a key may have.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// A signing key.
pub(super) struct Key(hmac::Key);

/// Why a secret is no signing key. Says nothing of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// The prefix is missing.
    #[error("a webhook secret begins with whsec_")]
    Prefix,
    /// What follows is no base64.
    #[error("what follows whsec_ is not base64")]
    Base64,
    /// Too short or too long.
    #[error("a webhook secret holds 24 to 64 bytes, this one {0}")]
    Length(usize),
}

impl Key {
    /// The key in `whsec_…`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub(super) fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let encoded = secret.expose().strip_prefix("whsec_").ok_or(KeyError::Prefix)?;
        let key = BASE64_STANDARD.decode(encoded).map_err(|_| KeyError::Base64)?;
        if KEY_LENGTH.contains(&key.len()) { Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key))) } else { Err(KeyError::Length(key.len())) }
    }

    fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(format!("{id}.{}.", at.unix_seconds()).as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.sign()))
    }
}

/// The value of `webhook-signature`: one signature a key, separated by exactly one space (two make a verifier crash).
#[must_use]
pub(super) fn header(keys: &[Key], id: &str, at: Timestamp, body: &[u8]) -> String {
    keys.iter().map(|key| key.sign(id, at, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const SECOND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn key(secret: &str) -> Key {
        Key::parse(&Secret::new(secret.into())).unwrap()
    }

    #[test]
    fn the_published_vectors() {
        let check = |secret, id, at: i64, body: &str, expected| {
            assert_eq!(header(&[key(secret)], id, Timestamp(at * 1000 + 999), body.as_bytes()), expected);
        };
        check(
            FIRST,
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        );
        check(
            SECOND,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
    }

    #[test]
    fn the_official_verifier_accepts_each_key_of_a_rotation() {
        let (at, body) = (Timestamp(chrono_now()), "{\"title\":\"Умєров: є і ї ґ ’ \u{2028} 🙂\"}".as_bytes());
        let signature = header(&[key(FIRST), key(SECOND)], "evt_1", at, body);
        assert_eq!(signature.split(' ').count(), 2);
        let mut headers = std::collections::HashMap::new();
        for (name, value) in
            [("webhook-id", "evt_1"), ("webhook-timestamp", &at.unix_seconds().to_string()), ("webhook-signature", &signature)]
        {
            headers.insert(name.to_owned(), value.to_owned());
        }
        let headers: reqwest::header::HeaderMap = (&headers).try_into().unwrap();
        for secret in [FIRST, SECOND] {
            standardwebhooks::Webhook::new(secret).unwrap().verify(body, &headers).unwrap();
        }
        let other = standardwebhooks::Webhook::new("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert!(other.verify(body, &headers).is_err());
    }

    fn chrono_now() -> i64 {
        crate::clock::now().0
    }

    #[test]
    fn what_is_no_key() {
        let check = |secret: &str, error| assert_eq!(Key::parse(&Secret::new(secret.into())).err(), Some(error));
        check("C2FVsBQIhrscChlQIMV+b5sSYspob7oD", KeyError::Prefix);
        check("whsec_не", KeyError::Base64);
        check("whsec_AAAA", KeyError::Length(3));
    }
}
