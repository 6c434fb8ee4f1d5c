//! Why there is no answer, and whether asking again could help.

use std::io;

use crate::error::Error;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody knows the host.
    UnknownHost,
    /// Nobody listens there.
    Refused,
    /// What answers does not speak TLS.
    NotTls,
    /// It does, but nobody vouches for it.
    Untrusted(String),
    /// It wants to know who asks, by a certificate.
    Anonymous,
    /// TLS has failed in another way.
    Tls(String),
    /// Nothing came for a long time.
    Stalled,
    /// The connection has ended, or what came over it makes no sense.
    Broken(String),
    /// It was not even tried, or is not worth another try.
    Own(Error),
}

impl Trouble {
    /// Whether it may have passed by the next attempt.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Refused | Self::Stalled | Self::Broken(_))
    }

    /// What a failed read of a body means.
    pub fn of_io(e: io::Error) -> Self {
        Self::from(ureq::Error::from(e))
    }

    /// For a person: about the host that was to answer.
    pub fn explain(self, host: &str) -> Error {
        match self {
            Self::UnknownHost => Error::environment(format!("cannot find the host {host}"))
                .hint("is its name right, and is this machine on the network?"),
            Self::Refused => Error::environment(format!("{host} refuses connections"))
                .hint("does anything run there, and is the port right?"),
            Self::NotTls => Error::environment(format!("{host} does not speak TLS")).hint(format!(
                "if it may be plain HTTP, say so in /etc/rcon/registries.toml: [registry.{host:?}] insecure = true"
            )),
            Self::Untrusted(why) => {
                Error::environment(format!("{host} cannot be trusted: {why}")).hint(format!(
                    "put the certificate of its authority into /etc/rcon/certs.d/{host}/ca.crt"
                ))
            }
            Self::Anonymous => Error::environment(format!("{host} wants a certificate from us"))
                .hint(format!(
                    "name one in /etc/rcon/registries.toml: [registry.{host:?}] client-cert = …, client-key = …"
                )),
            Self::Tls(why) => Error::environment(format!("no secure connection to {host}: {why}")),
            Self::Stalled => Error::environment(format!("{host} does not answer"))
                .hint("is the network up, and a firewall not in the way?"),
            Self::Broken(why) => {
                Error::environment(format!("the connection to {host} broke: {why}"))
            }
            Self::Own(e) => e,
        }
    }
}

impl From<ureq::Error> for Trouble {
    fn from(e: ureq::Error) -> Self {
        match e {
            ureq::Error::HostNotFound => Self::UnknownHost,
            ureq::Error::Timeout(_) => Self::Stalled,
            ureq::Error::Rustls(e) => tls(&e),
            ureq::Error::Io(e) => of_io(&e),
            ureq::Error::ConnectProxyFailed(why) => Self::Own(Error::environment(format!(
                "the proxy does not connect: {why}"
            ))),
            ureq::Error::LargeResponseHeader(..) => {
                Self::Own(Error::environment("an answer with too large a header"))
            }
            e @ (ureq::Error::Http(_) | ureq::Error::BadUri(_)) => {
                Self::Own(Error::environment(e.to_string()))
            }
            other => Self::Broken(other.to_string()),
        }
    }
}

fn of_io(e: &io::Error) -> Trouble {
    if let Some(e) = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return tls(e);
    }
    match e.kind() {
        io::ErrorKind::ConnectionRefused => Trouble::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Trouble::Stalled,
        _ => Trouble::Broken(e.to_string()),
    }
}

fn tls(e: &rustls::Error) -> Trouble {
    use rustls::CertificateError as Bad;
    match e {
        rustls::Error::InvalidMessage(_) => Trouble::NotTls,
        rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired) => {
            Trouble::Anonymous
        }
        rustls::Error::InvalidCertificate(bad) => Trouble::Untrusted(match bad {
            Bad::UnknownIssuer => "its certificate is signed by an unknown authority".into(),
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".into(),
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name".into()
            }
            other => format!("its certificate is not valid: {other:?}"),
        }),
        other => Trouble::Tls(other.to_string()),
    }
}
