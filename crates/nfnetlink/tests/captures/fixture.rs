//! Reads the annotated captures of `tests/fixtures`.
//!
//! Hex digits are bytes, `#` begins a comment, an empty line separates messages. A comment
//! `# oracle: ...` holds what the conntrack tool printed of the message, `# also: ...` what that
//! tool cannot print.

use std::path::PathBuf;

/// One message of a fixture.
#[derive(Debug)]
pub(crate) struct Captured {
    /// File name without ending, and which message of it.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) oracle: Option<String>,
    pub(crate) also: Option<String>,
}

/// All messages of all fixtures.
pub(crate) fn all() -> Vec<Captured> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "hex"));
    paths.sort();
    paths.iter().flat_map(read).collect()
}

fn read(path: &PathBuf) -> Vec<Captured> {
    let stem = path.file_stem().unwrap().to_str().unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let note = |key| paragraph.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        (bytes(paragraph), note("# oracle: "), note("# also: "))
    });
    let messages = paragraphs.filter(|(bytes, ..)| !bytes.is_empty()).enumerate();
    let named = messages.map(|(number, (bytes, oracle, also))| {
        let name = if number == 0 { stem.to_owned() } else { format!("{stem} {number}") };
        Captured { name, bytes, oracle, also }
    });
    named.collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let code = text.lines().map(|line| line.split('#').next().unwrap());
    let digits: Vec<char> = code.flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}
