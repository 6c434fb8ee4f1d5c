//! Why a build failed: something about a line of the Dockerfile, or anything
//! else.

use super::language::Diagnostic;
use crate::error::Error;

/// Why a build failed.
#[derive(Debug)]
pub enum Trouble {
    /// This line of the Dockerfile is why.
    At(Diagnostic),
    /// Something else is.
    Plain(Error),
}

impl Trouble {
    /// What is wrong.
    pub fn what(&self) -> &str {
        match self {
            Self::At(diagnostic) => &diagnostic.message,
            Self::Plain(error) => error.what(),
        }
    }
}

/// The result of what can fail in a build.
pub type Result<T> = std::result::Result<T, Trouble>;

impl From<Diagnostic> for Trouble {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::At(diagnostic)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Plain(error)
    }
}

impl From<crate::sys::SysError> for Trouble {
    fn from(error: crate::sys::SysError) -> Self {
        Self::Plain(error.into())
    }
}
