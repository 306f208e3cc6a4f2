//! The terminal front end: the only room that knows ratatui.
//!
//! Order of the way: a key becomes an [`action::Action`] through [`keymap`], which is made of [`bindings`]; [`app::App`] changes
//! itself and asks for effects; its state becomes a [`screen::Screen`], plain data; [`draw`] puts
//! that on a buffer. Only the event loop and the terminal guard touch the world.

pub mod action;
pub mod app;
pub mod background;
pub mod bindings;
pub mod clipboard;
pub mod details;
pub mod draw;
pub mod format;
pub mod glyphs;
pub mod hangup;
pub mod keeper;
pub mod key;
pub mod keymap;
pub mod outlook;
pub mod pane;
pub mod prompt;
pub mod run;
pub mod screen;
pub mod svg;
pub mod terminal;
pub mod theme;
pub mod wrap;
pub mod zone;
