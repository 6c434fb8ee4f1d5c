//! `regex`, by `regex-lite`.
//!
//! `oci-spec` asks a pattern of digits, commas and dashes about one field of
//! `config.json`, and brings all of Unicode along for that: tables with more
//! than seven thousand addresses, which are set right at each start of rcon,
//! and are then each keeper's own. Nobody here needs them.

pub use regex_lite::*;
