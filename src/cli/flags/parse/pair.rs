//! `key=value`: labels, annotations, kernel parameters, options of logs.

use crate::error::{Error, Result};

/// A key and its value.
pub type Pair = (String, String);

/// A label or annotation: a key alone has an empty value.
pub fn label(text: &str) -> Result<Pair> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() || text.contains('\0') {
        return Err(Error::user(format!("invalid label {text:?}: empty name"))
            .hint("KEY=value, or KEY alone"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// A kernel parameter. Whether it is one that a container may have of its own
/// is decided with the namespaces.
pub fn sysctl(text: &str) -> Result<Pair> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(Error::user(format!("invalid sysctl {text:?}"))
            .hint("KEY=value, as in net.ipv4.ip_forward=1")),
    }
}

/// An option of the log.
pub fn log_option(text: &str) -> Result<Pair> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::user(format!("invalid log option {text:?}"))
            .hint("KEY=value, as in max-size=10m")),
    }
}

/// An option of a volume; which there are, the driver knows.
pub fn volume_option(text: &str) -> Result<Pair> {
    let pair = match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => (key.to_owned(), value.to_owned()),
        _ => {
            return Err(Error::user(format!("invalid volume option {text:?}"))
                .hint("KEY=value, as in type=tmpfs"));
        }
    };
    crate::volume::options::check_key(&pair.0)?;
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> Pair {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn keys_and_values() {
        assert_eq!(label("a=b=c").unwrap(), pair("a", "b=c"));
        assert_eq!(label("a").unwrap(), pair("a", ""));
        assert_eq!(sysctl("net.x=1 2").unwrap(), pair("net.x", "1 2"));
        assert_eq!(log_option("tag=").unwrap(), pair("tag", ""));
    }

    #[test]
    fn what_has_no_key_or_value() {
        for text in ["", "=", "=x", " =x", "a\0=b"] {
            assert!(label(text).is_err(), "{text:?}");
        }
        for text in ["", "a", "a=", "=1"] {
            assert!(sysctl(text).is_err(), "{text:?}");
        }
        for text in ["", "a", "=1"] {
            assert!(log_option(text).is_err(), "{text:?}");
        }
    }
}
