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
