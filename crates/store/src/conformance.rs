//! The cases every backend must pass.
