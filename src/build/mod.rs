//! A Dockerfile becomes an image.
//!
//! [`language`] is the text and what it means, with no file opened for it;
//! [`ignore`] the rules of a `.dockerignore`; [`context`] the files a build
//! may copy from.

pub mod apply;
pub mod ask;
pub mod builder;
pub mod cache;
pub mod caches;
pub mod context;
pub mod files;
pub mod finish;
pub mod gather;
pub mod graph;
pub mod history;
pub mod ignore;
pub mod language;
pub mod layer;
pub mod paths;
pub mod scope;
pub mod show;
pub mod state;
pub mod trouble;
pub mod undefined;
pub mod work;
pub mod worker;
