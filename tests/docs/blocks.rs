//! Markdown, as far as the tests of the documentation need it: fenced blocks, the commands in them, headings, links.

/// A fenced block.
pub struct Block {
    pub language: String,
    /// Of its first line of text, counted from 1.
    pub line: usize,
    lines: Vec<String>,
}

/// What a command of a shell, of a YAML list, or of Jenkins' `sh` step may begin with. Other lines of YAML and Groovy are none.
const BEGINNINGS: [&str; 6] = ["./setup", "cargo ", "multivm ", "target/debug/multivm ", "MULTIVM_", "git "];

impl Block {
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The commands in it, each with its line; no comments.
    pub fn commands(&self) -> Vec<(usize, String)> {
        let numbered = self.lines.iter().enumerate().map(|(index, line)| (self.line + index, line.trim()));
        match self.language.as_str() {
            "sh" => numbered
                .map(|(line, text)| (line, without_comment(text).trim().to_owned()))
                .filter(|(_, text)| !text.is_empty())
                .collect(),
            "yaml" | "groovy" => numbered
                .filter_map(|(line, text)| {
                    let text = text.strip_prefix("- ").unwrap_or(text);
                    let text = text.strip_prefix("run: ").unwrap_or(text);
                    let text = match text.strip_prefix("sh '") {
                        Some(quoted) => quoted.strip_suffix('\'')?,
                        None => text,
                    };
                    // `MULTIVM_SET: smoke` and `MULTIVM_SET = 'smoke'` set a variable for what follows.
                    let setting = text
                        .split([':', ' '])
                        .next()
                        .is_some_and(|name| name.starts_with("MULTIVM_") && !name.contains('='));
                    let begins = BEGINNINGS.iter().any(|beginning| text.starts_with(beginning));
                    (begins && !setting).then(|| (line, text.to_owned()))
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// A `#` behind a space begins a comment, but not within quotes.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (index, char) in line.char_indices() {
        match (quote, char) {
            (None, '#') if before == ' ' => return &line[..index],
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            _ => {}
        }
        before = char;
    }
    line
}

/// The fenced blocks of a page.
pub fn of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => {
                open =
                    Some(Block { language: language.trim().to_owned(), line: index + 2, lines: Vec::new() });
            }
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some(mut block)) => {
                block.lines.push(line.to_owned());
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Where links lead.
pub fn links(page: &str) -> Vec<String> {
    let ends = page.split("](").skip(1);
    ends.filter_map(|rest| rest.split_once(')')).map(|(link, _)| link.to_owned()).collect()
}

/// The anchors that GitHub makes of headings.
pub fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
            kept.map(|char| if char == ' ' { '-' } else { char }).collect()
        })
        .collect()
}

/// Headings of the second and third level, each with the text up to the next.
pub fn sections(page: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in page.lines() {
        if line.starts_with("## ") || line.starts_with("### ") {
            sections.push((line.trim_start_matches('#').trim().to_owned(), String::new()));
        } else if let Some((_, text)) = sections.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    sections
}

#[test]
fn commands_are_found_in_every_kind_of_block() {
    let page = "```sh\na 'b # c'   # d\n# e\n```\n```yaml\n  - run: ./setup\n    MULTIVM_SET: smoke\n  - cargo build\n```\n\
                ```groovy\n  sh 'cargo test'\n  MULTIVM_SET = 'smoke'\n```\n```text\ncargo\n```\n";
    let found: Vec<_> = of(page).iter().flat_map(Block::commands).collect();
    let wanted = [(2, "a 'b # c'"), (6, "./setup"), (8, "cargo build"), (11, "cargo test")];
    assert_eq!(found, wanted.map(|(line, text)| (line, text.to_owned())));
}
