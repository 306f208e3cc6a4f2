//! A line of a shell, as far as the documentation uses one.

/// The simple commands of a line, each as its words. A `#`, or more than one blank, begins a remark;
/// what output is redirected to is left out. A quote that another line ends ends here.
pub(crate) fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    let (mut blanks, mut redirected) = (0, false);
    for character in line.trim().chars() {
        if let Some(mark) = quote {
            if character == mark {
                quote = None;
            } else {
                word.get_or_insert_default().push(character);
            }
            continue;
        }
        let ends_command = "|&;()".contains(character);
        let ends_word = character == ' ' || ends_command || "<>".contains(character);
        if ends_word
            && let Some(word) = word.take()
            && !std::mem::take(&mut redirected)
        {
            commands.last_mut().expect("one at least").push(word);
        }
        blanks = if character == ' ' { blanks + 1 } else { 0 };
        match character {
            _ if blanks > 1 => break,
            '#' if word.is_none() => break,
            ' ' => {}
            '<' | '>' => redirected = true,
            _ if ends_command => commands.push(Vec::new()),
            '\'' | '"' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    if let Some(word) = word
        && !redirected
    {
        commands.last_mut().expect("one at least").push(word);
    }
    commands.retain(|command| !command.is_empty());
    commands
}

/// What really runs: without variables that are set for it, and without sudo and the like.
pub(crate) fn bare(command: &[String]) -> &[String] {
    let mut rest = command;
    loop {
        let skipped = match rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["sudo" | "exec" | "time", ..] => 1,
            ["ip", "netns", "exec", _, ..] => 4,
            [first, ..] if first.split_once('=').is_some_and(|(name, _)| is_variable(name)) => 1,
            _ => return rest,
        };
        rest = &rest[skipped..];
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn lines() {
    let check = |line: &str, wanted: &[&[&str]]| {
        let found = commands(line);
        let found: Vec<Vec<&str>> =
            found.iter().map(|c| bare(c).iter().map(String::as_str).collect()).collect();
        assert_eq!(found, wanted, "{line}");
    };
    check("a --b 'c d' \"e\"  # f", &[&["a", "--b", "c d", "e"]]);
    check("a   and what it does", &[&["a"]]);
    check("a && b | c; (d > e f)", &[&["a"], &["b"], &["c"], &["d", "f"]]);
    check("sudo X=1 a b=c", &[&["a", "b=c"]]);
    check("ip netns exec r a", &[&["a"]]);
    check("a ''", &[&["a", ""]]);
}
