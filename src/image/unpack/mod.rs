//! From a packed layer to a directory.
