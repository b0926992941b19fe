//! parlour
