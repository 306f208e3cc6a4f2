//! The collector's table against a random kernel: the model of its own tests, with the bytes as dice.

use conntopd::table::Limits;

use crate::model;

pub(crate) fn check(mut bytes: &[u8]) {
    let kind = crate::take(&mut bytes, 3);
    let steps = crate::generate(&model::step(), bytes, 3, 200);
    match kind {
        0 => model::run(Limits::default(), false, &steps),
        1 => {
            let steps: Vec<_> = steps.into_iter().map(model::lossless).collect();
            model::run(Limits::default(), true, &steps);
        }
        _ => model::run(Limits { ended: 3, tombstones: 1, ..Limits::default() }, false, &steps),
    }
}
