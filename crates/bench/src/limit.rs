//! What the machine can do at all: the rows everything else is divided by.
//!
//! A figure of a server alone says little, because it grows and shrinks with the machine
//! and its neighbours. So each run also measures a program that does nothing but the
//! system calls that cannot be avoided, with the same client, sizes and counts.

pub mod broadcast;
pub mod flush;
pub mod insert;
