//! What the program prints for other programs, and how it ends.

pub mod csv;
pub mod exit;
pub mod json;
pub mod rows;
