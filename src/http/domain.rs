//! stand-in

/// x
pub fn registrable(host: &str) -> String {
    host.to_owned()
}
