//! Certificates of a server on this machine, and the authority that vouches for it.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// Writes `ca.crt`, `server.crt` and `server.key`.
pub fn write(dir: &TempDir) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    for (name, text) in
        [("ca.crt", ca.pem()), ("server.crt", server.pem()), ("server.key", key.serialize_pem())]
    {
        fs::write(dir.path().join(name), text).unwrap();
    }
}
