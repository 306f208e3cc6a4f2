//! From the state to the terminal's cells. `cargo bench -p conntop --bench draw`

mod support;

use std::time::Instant;

use conntop::tui::app::{App, Options};
use conntop::tui::draw::{self, Look};
use conntop::tui::glyphs::Charset;
use conntop::tui::theme::{Background, Theme};
use divan::{Bencher, black_box};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn main() {
    divan::main();
}

const LOOK: Look = Look { theme: Theme::Palette, background: Background::Dark, charset: Charset::Unicode };

fn app(flows: u64, size: (u16, u16)) -> App {
    let options = Options { source: "conntrack".into(), ..Options::default() };
    let mut app = App::new(support::world(flows), options, size);
    app.refresh(Instant::now());
    app
}

/// The screen's contents, when nothing has changed in the mirror.
#[divan::bench(args = support::SIZES, consts = [80, 200])]
fn compose<const COLUMNS: u16>(bencher: Bencher<'_, '_>, flows: u64) {
    let mut app = app(flows, (COLUMNS, COLUMNS * 3 / 10));
    bencher.bench_local(|| app.refresh(black_box(Instant::now())));
}

/// Contents into cells.
#[divan::bench(args = support::SIZES, consts = [80, 200])]
fn cells<const COLUMNS: u16>(bencher: Bencher<'_, '_>, flows: u64) {
    let app = app(flows, (COLUMNS, COLUMNS * 3 / 10));
    let area = Rect::new(0, 0, COLUMNS, COLUMNS * 3 / 10);
    bencher.bench_local(|| {
        let mut buffer = Buffer::empty(area);
        draw::draw(black_box(app.screen()), LOOK, area, &mut buffer)
    });
}
