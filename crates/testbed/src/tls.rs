//! Certificates of a testbed's own: an authority, a server certificate, client certificates.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

use crate::error::{Error, Result, file_error};

/// How Postgres uses TLS.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Names and addresses in the server's certificate. Tests for a wrong host name put another name here.
    pub server_names: Vec<String>,
    /// Refuse connections over TCP without TLS.
    pub required: bool,
    /// Demand a client certificate whose common name is the user's.
    pub client_certificate_required: bool,
    /// The server's certificate was valid once, and is not any more.
    pub expired: bool,
}

impl Default for TlsOptions {
    fn default() -> TlsOptions {
        TlsOptions {
            server_names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            required: false,
            client_certificate_required: false,
            expired: false,
        }
    }
}

/// A certificate authority made for one server, and the files that clients of that server need.
#[derive(Debug)]
pub struct Tls {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// Whether a certificate is valid today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Valid,
    Expired,
}

impl From<bool> for Validity {
    fn from(expired: bool) -> Validity {
        if expired {
            Validity::Expired
        } else {
            Validity::Valid
        }
    }
}

/// A certificate with its key, as PEM files.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key, readable by its owner alone.
    pub key: PathBuf,
}

impl Tls {
    /// Makes an authority and writes its certificate (`ca.crt`) to the folder, where it stays.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(folder: PathBuf) -> Result<Tls> {
        let subject = "walcast testbed authority";
        let failed = |source| Error::Certificate {
            subject: subject.to_owned(),
            source,
        };
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, subject);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        let tls = Tls { issuer, folder };
        write(&tls.ca(), &tls.issuer.pem(), 0o644)?;
        Ok(tls)
    }

    /// The authority's certificate, for `sslrootcert` or `ssl.ca.location`.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Makes a client certificate for a database user: `<user>.crt` and `<user>.key`.
    ///
    /// # Errors
    /// When the files cannot be written or the name cannot be in a certificate.
    pub fn issue_client(&self, user: &str) -> Result<CertificateFiles> {
        self.issue(user, Vec::new(), user, &self.folder, Validity::Valid)
    }

    /// The same, valid once and not any more: `<user>-expired.crt` and `<user>-expired.key`.
    ///
    /// # Errors
    /// When the files cannot be written or the name cannot be in a certificate.
    pub fn issue_expired_client(&self, user: &str) -> Result<CertificateFiles> {
        let file = format!("{user}-expired");
        self.issue(user, Vec::new(), &file, &self.folder, Validity::Expired)
    }

    /// Makes a certificate for a server of these names and addresses: `server.crt` and `server.key` beside the authority's.
    ///
    /// # Errors
    /// When the files cannot be written or a name cannot be in a certificate.
    pub fn issue_for_server(&self, names: &[&str]) -> Result<CertificateFiles> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        self.issue_server(&names, &self.folder, Validity::Valid)
    }

    pub(crate) fn issue_server(
        &self,
        names: &[String],
        folder: &Path,
        validity: Validity,
    ) -> Result<CertificateFiles> {
        let subject = names.first().cloned().unwrap_or_default();
        self.issue(&subject, names.to_vec(), "server", folder, validity)
    }

    fn issue(
        &self,
        subject: &str,
        names: Vec<String>,
        file: &str,
        folder: &Path,
        validity: Validity,
    ) -> Result<CertificateFiles> {
        let failed = |source| Error::Certificate {
            subject: subject.to_owned(),
            source,
        };
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, subject);
        if validity == Validity::Expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let files = CertificateFiles {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
        };
        write(&files.certificate, &certificate.pem(), 0o644)?;
        write(&files.key, &key.serialize_pem(), 0o600)?;
        Ok(files)
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    std::fs::write(path, text).map_err(file_error("write", path))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(file_error("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_and_the_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::create(folder.path().to_path_buf()).unwrap();
        let files = tls.issue_client("alice").unwrap();
        assert!(
            std::fs::read_to_string(tls.ca())
                .unwrap()
                .contains("BEGIN CERTIFICATE")
        );
        assert_eq!(files.key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
