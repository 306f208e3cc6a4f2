//! Many flows as arrays per field. All arrays of one struct have the same length; the sparse parts
//! name their rows. A column that holds only its default (0, false, null) may be left out.
//!
//! The structs are what serde sees; rows go in by `push` and come out by `iter`, which is where
//! equal lengths and ranges are checked ([`ColumnsError`]).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::flow::{EndReason, FlowId, State, Status};

