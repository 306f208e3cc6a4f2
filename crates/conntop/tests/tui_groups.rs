//! The screen of groups, out of a recording: what it shows at which size, and what its keys do.

mod stage;

use stage::Stage;

#[test]
fn look() {
    for (script, columns, lines) in [
        ("+4 2", 80, 24),
        ("+4 2 +8", 120, 30),
        ("+4 2 Down Right Down +1", 80, 24),
        ("+4 2 Down Enter Down", 200, 24),
        ("+4 2", 20, 3),
        ("+4 2 Down Right", 40, 12),
        ("+4 t", 80, 24),
        ("+4 t Down Down Space Down Space Enter", 80, 20),
        ("+4 Down =", 100, 24),
        ("+4 Down ! Enter", 100, 14),
        ("+4 u", 80, 16),
        ("+4 2 = ", 80, 16),
        ("+4 2 Right Down Enter", 80, 16),
    ] {
        let mut stage = Stage::new(columns, lines);
        stage.play(script);
        println!("--- {script}\n{}", stage.text());
    }
}
