//! The recipes of just, and the examples, programs and tests that cargo is told to run, exist; install.md has
//! the targets that are built.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::page::Page;
use crate::{none, root, shell};

/// Names of the recipes in the justfile.
fn recipes() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("justfile")).expect("the justfile");
    let heads = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'));
    heads.filter_map(|line| Some(line.split_once(':')?.0.split(' ').next()?.to_owned())).collect()
}

/// Folders in which a target of cargo of this kind may lie.
fn folders(kind: &str) -> Vec<PathBuf> {
    let mut packages = vec![root().join("tests")];
    packages
        .extend(fs::read_dir(root().join("crates")).expect("crates").map(|entry| entry.expect("one").path()));
    let folder = match kind {
        "--example" => "examples",
        "--bench" => "benches",
        "--bin" => "src/bin",
        "--test" => "tests",
        _ => panic!("{kind} is no kind of target"),
    };
    packages.into_iter().map(|package| package.join(folder)).collect()
}

fn is_there(kind: &str, name: &str) -> bool {
    let mut files = folders(kind).into_iter().flat_map(|folder| {
        [
            folder.join(format!("{name}.rs")),
            folder.join(name).join("main.rs"),
            folder.join(name).join("mod.rs"),
        ]
    });
    files.any(|file| file.exists())
}

/// What is wrong with a line.
fn check(line: &str, recipes: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for command in shell::commands(line) {
        let words: Vec<&str> = shell::bare(&command).iter().map(String::as_str).collect();
        match words.as_slice() {
            ["just", recipe, ..] if !recipe.starts_with('-') && !recipes.contains(*recipe) => {
                wrong.push(format!("just has no {recipe}"));
            }
            ["cargo", arguments @ ..] => {
                let ours = arguments.split(|word| *word == "--").next().unwrap_or_default();
                let pairs = ours
                    .windows(2)
                    .filter(|pair| ["--example", "--bench", "--bin", "--test"].contains(&pair[0]));
                let lost = pairs.filter(|pair| pair[1] != "NAME" && !is_there(pair[0], pair[1]));
                wrong.extend(lost.map(|pair| format!("there is no {} {}", pair[0], pair[1])));
            }
            _ => {}
        }
    }
    wrong
}

#[test]
fn recipes_and_targets_exist() {
    let (recipes, mut wrong) = (recipes(), Vec::new());
    assert!(recipes.contains("bench-all"), "{recipes:?}");
    for page in Page::all() {
        for found in page.code().iter().chain(&page.spans()) {
            let lost = check(&found.text, &recipes).into_iter();
            wrong.extend(lost.map(|what| format!("{}:{}: {what}", page.path.display(), found.line)));
        }
    }
    none(&wrong);
}

/// What install.md says is built for which target is what the table of targets has.
#[test]
fn install_has_every_target() {
    let table = fs::read_to_string(root().join("packaging/dist/targets")).expect("the targets");
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        if let [triple, _, program, ..] = line.split_whitespace().collect::<Vec<_>>().as_slice() {
            wanted.insert(((*triple).to_owned(), (*program).to_owned()));
        }
    }
    let page = fs::read_to_string(root().join("docs/manual/install.md")).expect("the page");
    let mut told = BTreeSet::new();
    for row in page.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if let ["", _, triple, programs, ""] = cells.as_slice()
            && triple.contains("-linux-")
        {
            told.extend(
                programs.split('`').skip(1).step_by(2).map(|name| ((*triple).to_owned(), name.to_owned())),
            );
        }
    }
    assert!(wanted.len() > 3, "{wanted:?}");
    assert_eq!(told, wanted, "what install.md tells, and packaging/dist/targets");
}

#[test]
fn what_is_lost() {
    let recipes = BTreeSet::from(["lab".to_owned()]);
    assert_eq!(check("just lab up && just leb up", &recipes), ["just has no leb"]);
    assert_eq!(check("cargo test -p conntop-tests --test docks", &recipes), ["there is no --test docks"]);
    assert!(check("cargo test -p conntop-tests --test docs -- --test x", &recipes).is_empty());
}
