//! Which cryptography this process uses: aws-lc, for TLS and for tokens alike.
//!
//! Both libraries would guess it from the features they were built with, and panic at their
//! first use where another dependency has switched a second one on. So it is said.

/// Says it. Whoever came first is right; saying it again changes nothing.
pub fn install_providers() {
    // Both refuse a second time, and that is all they can refuse.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
}
