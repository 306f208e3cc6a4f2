//! From the mirror to rows: what a flow looks like from here, which flows a filter shows, in which
//! order, and what they sum up to. No styles, no terminal.

mod flow;

pub use self::flow::{FlowView, Now, Source};
