//! What is typed behind one flag, read.
//!
//! Each file takes a `&str` and gives a value or one line that names the cause
//! and a remedy; the flag's name is put in front by whoever knows it. Nothing
//! here opens a file or asks the kernel.

pub mod csv;
pub mod device;
pub mod duration;
pub mod env;
pub mod host;
pub mod keys;
pub mod mount;
pub mod network;
pub mod pair;
pub mod paths;
pub mod platform;
pub mod port;
pub mod restart;
pub mod security;
pub mod tmpfs;
pub mod ulimit;
pub mod units;
pub mod volume;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use proptest::prelude::*;

    /// Reads `text` with every parser there is.
    fn all(text: &str) -> Vec<Result<()>> {
        let lookup: env::Lookup<'_> = &|name| Some(name.to_owned());
        vec![
            csv::fields(text).map(drop),
            device::parse(text).map(drop),
            device::rule(text).map(drop),
            device::rate(text).map(drop),
            device::operations(text).map(drop),
            device::weight(text).map(drop),
            duration::parse(text).map(drop),
            env::parse(text, lookup).map(drop),
            env::parse_file(text, lookup).map(drop),
            env::parse_labels(text).map(drop),
            host::extra(text).map(drop),
            host::address(text).map(drop),
            host::domain(text).map(drop),
            host::resolver_option(text).map(drop),
            host::mac(text).map(drop),
            host::hostname(text).map(drop),
            keys::parse(text).map(drop),
            mount::parse(text).map(drop),
            network::parse(text).map(drop),
            pair::label(text).map(drop),
            pair::sysctl(text).map(drop),
            pair::log_option(text).map(drop),
            paths::target(text).map(drop),
            platform::parse(text).map(drop),
            port::parse(text).map(drop),
            restart::parse(text).map(drop),
            security::parse(text).map(drop),
            tmpfs::parse(text).map(drop),
            ulimit::parse(text).map(drop),
            units::size_or_unlimited(text).map(drop),
            units::cpus(text).map(drop),
            units::number(text, i64::MIN, i64::MAX).map(drop),
            volume::parse(text).map(drop),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_told_in_one_line(
            text in "(?s).{0,40}|[a-z0-9:/=,.\\[\\]\"-]{0,40}|(type|src|dst|ip|size)=[a-z/.,=\"]{0,30}",
        ) {
            for error in all(&text).into_iter().filter_map(Result::err) {
                prop_assert!(!error.to_string().contains('\n'), "{}", error);
            }
        }

        /// Whatever is typed, nothing is mounted outside or over the root.
        #[test]
        fn targets_are_absolute_and_clean(text in "(/h:)?/?[a./]{0,12}(:ro)?") {
            if let Ok(mount) = volume::parse(&text) {
                let clean = mount.target.components().skip(1);
                prop_assert!(mount.target.is_absolute() && mount.target.parent().is_some());
                prop_assert!(clean.into_iter().all(|c| matches!(c, std::path::Component::Normal(_))));
            }
        }
    }
}
