//! A Dockerfile becomes an image.
//!
//! [`language`] is the text and what it means, with no file opened for it;
//! [`ignore`] the rules of a `.dockerignore`; [`context`] the files a build
//! may copy from.

pub mod context;
pub mod ignore;
pub mod language;
pub mod paths;
