//! The modules of a crate: its files, the paths in each, and the names that each gives to paths. Files and items for tests
//! only are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::iter::Peekable;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One file of a crate.
#[derive(Debug, Default)]
pub struct Module {
    /// The path of the module, without `crate`.
    pub name: Vec<String>,
    /// All paths in the file, as they are written.
    pub paths: Vec<Vec<String>>,
    /// The paths that a `pub use` passes on.
    pub passed_on: Vec<Vec<String>>,
    /// The names that `use` gives, with their paths.
    pub names: BTreeMap<String, Vec<String>>,
    /// The modules with a file of their own below this one.
    pub children: BTreeSet<String>,
}

impl Module {
    /// Reads a crate from its first file.
    pub fn read_all(root: &Path) -> BTreeMap<Vec<String>, Module> {
        let mut all = BTreeMap::new();
        read(root, root.parent().unwrap(), Vec::new(), &mut all);
        all
    }
}

/// Reads the module of a file, whose children are in `folder`, and these.
fn read(file: &Path, folder: &Path, name: Vec<String>, all: &mut BTreeMap<Vec<String>, Module>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
    let tokens: TokenStream =
        text.parse().unwrap_or_else(|error| panic!("parse {}: {error}", file.display()));
    let mut module = Module { name, ..Module::default() };
    module.take(tokens);
    for child in &module.children {
        let below = folder.join(child);
        let alone = folder.join(format!("{child}.rs"));
        let file = if alone.exists() { alone } else { below.join("mod.rs") };
        read(&file, &below, [&module.name[..], std::slice::from_ref(child)].concat(), all);
    }
    all.insert(module.name.clone(), module);
}

type Tokens = Peekable<proc_macro2::token_stream::IntoIter>;

impl Module {
    fn take(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut is_public = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if is_for_tests(&mut tokens) {
                        skip_item(&mut tokens);
                    }
                }
                TokenTree::Ident(ident) if ident == "pub" => {
                    if matches!(tokens.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
                    {
                        tokens.next();
                    }
                    is_public = true;
                    continue;
                }
                TokenTree::Ident(ident) if ident == "use" => self.take_use(&mut tokens, is_public),
                TokenTree::Ident(ident) if ident == "mod" => {
                    let child = tokens.next().map(|name| name.to_string());
                    if matches!(tokens.peek(), Some(TokenTree::Punct(end)) if end.as_char() == ';') {
                        self.children.extend(child);
                    }
                }
                TokenTree::Ident(ident) => {
                    let mut path = vec![ident.to_string()];
                    while let Some(next) = next_of_path(&mut tokens) {
                        path.push(next);
                    }
                    if path.len() > 1 {
                        self.paths.push(path);
                    }
                }
                TokenTree::Group(group) => self.take(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            is_public = false;
        }
    }

    fn take_use(&mut self, tokens: &mut Tokens, is_public: bool) {
        let tree = tokens.take_while(|token| !matches!(token, TokenTree::Punct(end) if end.as_char() == ';'));
        for (name, path) in leaves(tree.collect(), &[]) {
            (if is_public { &mut self.passed_on } else { &mut self.paths }).push(path.clone());
            self.names.insert(name, path);
        }
    }
}

/// Whether an attribute keeps the item behind it for tests; the tokens go on behind the attribute.
fn is_for_tests(tokens: &mut Tokens) -> bool {
    let attribute = tokens.next_if(|token| matches!(token, TokenTree::Group(_)));
    attribute.is_some_and(|attribute| attribute.to_string().replace(' ', "") == "[cfg(test)]")
}

/// Goes on behind the next item.
fn skip_item(tokens: &mut Tokens) {
    for token in tokens {
        match token {
            TokenTree::Punct(end) if end.as_char() == ';' => return,
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => return,
            _ => {}
        }
    }
}

/// The next part of a path, if the path goes on with a name.
fn next_of_path(tokens: &mut Tokens) -> Option<String> {
    let mut ahead = tokens.clone();
    for _ in 0..2 {
        match ahead.next() {
            Some(TokenTree::Punct(colon)) if colon.as_char() == ':' => {}
            _ => return None,
        }
    }
    let Some(TokenTree::Ident(name)) = ahead.next() else { return None };
    *tokens = ahead;
    Some(name.to_string())
}

/// The paths of a tree of `use`, each with its name here.
fn leaves(tree: Vec<TokenTree>, before: &[String]) -> Vec<(String, Vec<String>)> {
    let mut path = before.to_vec();
    let mut name = None;
    let mut tokens = tree.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "as" => name = tokens.next().map(|name| name.to_string()),
            // The name of the path so far.
            TokenTree::Ident(ident) if ident == "self" && !path.is_empty() => {}
            TokenTree::Ident(ident) => path.push(ident.to_string()),
            TokenTree::Group(group) => {
                let parts: Vec<TokenTree> = group.stream().into_iter().collect();
                let is_comma =
                    |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
                let parts = parts.split(is_comma).filter(|part| !part.is_empty());
                return parts.flat_map(|part| leaves(part.to_vec(), &path)).collect();
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    match path.last().cloned() {
        Some(last) if path.len() > before.len() || !before.is_empty() => vec![(name.unwrap_or(last), path)],
        _ => Vec::new(),
    }
}
