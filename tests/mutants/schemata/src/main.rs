//! Writes many mutants into one copy of a source tree, each of them asleep until its number is asked for, so that one build tests all:
//!
//! `schemata TREE <mutants.json >places.json`
//!
//! Standard input is an array of mutants in the words of `cargo mutants --list --json` (file, span, replacement, genre), each with a `number`.
//! `a + b` becomes `(if crate::mutant::on(7) { a - b } else { a + b })`, a function's body begins with `if crate::mutant::on(8) { return … }`,
//! an arm of a match gets a guard. Standard output says where in the new files each mutant's own text stands, so that an error of the compiler
//! leads to the mutant that does not compile, and which mutants have no such form (const items, chains of let, functions that return an `impl`).
//! Method: R. H. Untch, "Mutation-based software testing using program schemata", 1992.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A mutant as `cargo mutants` lists it.
#[derive(Clone, Deserialize)]
struct Mutant {
    number: u32,
    file: String,
    span: Span,
    replacement: String,
    genre: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
struct Span {
    start: Place,
    end: Place,
}

/// Line and column, both from 1, in characters.
#[derive(Clone, Copy, Deserialize, PartialEq)]
struct Place {
    line: usize,
    column: usize,
}

/// Where the text of a mutant stands in a file that was written.
#[derive(Serialize)]
struct Written {
    file: String,
    number: u32,
    start: usize,
    end: usize,
}

#[derive(Serialize)]
struct Outcome {
    places: Vec<Written>,
    /// Mutants that cannot be switched on at run time.
    formless: Vec<u32>,
}

/// A change of the source: what stands at `range` is replaced, or chosen at run time.
struct Edit {
    range: Range<usize>,
    kind: Kind,
}

enum Kind {
    /// The text as it is unless one of these mutants is on, then its text.
    Choice(Vec<(u32, String)>),
    /// At the start of a function: leave with this value.
    Return(u32, String),
    /// After a pattern: the arm is not taken.
    Guard(u32),
    /// Nothing: `const` of a function that asks which mutant is on.
    Nothing,
}

/// Finds the forms of the mutants of one file.
struct Finder<'a> {
    text: &'a str,
    lines: Vec<usize>,
    mutants: &'a [Mutant],
    edits: Vec<Edit>,
    found: Vec<u32>,
    constant: usize,
}

impl Finder<'_> {
    fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.lines[line - 1];
        self.text[start..].char_indices().nth(column).map_or(self.text.len(), |(at, _)| start + at)
    }

    fn range(&self, span: proc_macro2::Span) -> Range<usize> {
        let (start, end) = (span.start(), span.end());
        self.offset(start.line, start.column)..self.offset(end.line, end.column)
    }

    fn place(&self, span: Span) -> Range<usize> {
        self.offset(span.start.line, span.start.column - 1)..self.offset(span.end.line, span.end.column - 1)
    }

    /// The mutants of a genre that stand exactly at `range`.
    fn at(&mut self, genre: &str, range: &Range<usize>) -> Vec<Mutant> {
        if self.constant > 0 {
            return Vec::new();
        }
        let here: Vec<Mutant> =
            self.mutants.iter().filter(|mutant| mutant.genre == genre && self.place(mutant.span) == *range).cloned().collect();
        self.found.extend(here.iter().map(|mutant| mutant.number));
        here
    }

    fn choice(&mut self, whole: &Range<usize>, replaced: &Range<usize>, mutants: &[Mutant]) {
        if mutants.is_empty() {
            return;
        }
        let change = |mutant: &Mutant| {
            let text = format!("{}{}{}", &self.text[whole.start..replaced.start], mutant.replacement, &self.text[replaced.end..whole.end]);
            (mutant.number, text)
        };
        let alternatives = mutants.iter().map(change).collect();
        self.edits.push(Edit { range: whole.clone(), kind: Kind::Choice(alternatives) });
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let before = self.found.len();
        if let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) {
            let body = self.range(first.span()).start..self.range(last.span()).end;
            let open = self.range(block.brace_token.span.open()).end;
            // two types behind one `impl` do not compile
            let opaque = self.text[self.range(signature.output.span())].contains("impl ");
            for mutant in if opaque { Vec::new() } else { self.at("FnValue", &body) } {
                self.edits.push(Edit { range: open..open, kind: Kind::Return(mutant.number, mutant.replacement) });
            }
        }
        visit::visit_block(self, block);
        if let Some(constant) = signature.constness.filter(|_| self.found.len() > before) {
            let range = self.range(constant.span);
            self.edits.push(Edit { range, kind: Kind::Nothing });
        }
    }
}

/// Whether an expression is a chain with `let` in it, which is no value.
fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant += 1;
        visit::visit_item_const(self, item);
        self.constant -= 1;
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant += 1;
        visit::visit_impl_item_const(self, item);
        self.constant -= 1;
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant += 1;
        visit::visit_item_static(self, item);
        self.constant -= 1;
    }

    fn visit_type(&mut self, _: &'ast syn::Type) {} // an array's length

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let operator = self.range(binary.op.span());
        let logical = matches!(binary.op, syn::BinOp::And(_) | syn::BinOp::Or(_));
        if !(logical && (has_let(&binary.left) || has_let(&binary.right))) {
            let here = self.at("BinaryOperator", &operator);
            let whole = self.range(binary.span());
            self.choice(&whole, &operator, &here);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let operator = self.range(unary.op.span());
        let here = self.at("UnaryOperator", &operator);
        let whole = self.range(unary.span());
        self.choice(&whole, &operator, &here);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let whole = self.range(arm.span());
        let pattern = self.range(arm.pat.span());
        for mutant in self.at("MatchArm", &whole) {
            self.edits.push(Edit { range: pattern.end..pattern.end, kind: Kind::Guard(mutant.number) });
        }
        if let Some((_, guard)) = arm.guard.as_ref().filter(|(_, guard)| !has_let(guard)) {
            let range = self.range(guard.span());
            let here = self.at("MatchArmGuard", &range);
            self.choice(&range, &range, &here);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, structure: &'ast syn::ExprStruct) {
        let whole = self.range(structure.span());
        let mut alternatives = Vec::new();
        for pair in structure.fields.pairs() {
            let field = self.range(pair.value().span());
            let end = pair.punct().map_or(field.end, |comma| self.range(comma.span()).end);
            let field = field.start..end;
            for mutant in self.at("StructField", &field) {
                let text = format!("{}{}", &self.text[whole.start..field.start], &self.text[field.end..whole.end]);
                alternatives.push((mutant.number, text));
            }
        }
        if !alternatives.is_empty() {
            self.edits.push(Edit { range: whole, kind: Kind::Choice(alternatives) });
        }
        visit::visit_expr_struct(self, structure);
    }
}

/// Writes `range` of the text with its edits; where a mutant's own text stands is noted.
fn write(out: &mut String, text: &str, range: Range<usize>, edits: &[Edit], places: &mut Vec<(u32, Range<usize>)>) {
    let mut at = range.start;
    let mut rest = edits;
    while let Some((edit, after)) = rest.split_first() {
        // edits are sorted by their starts, the longer first: those inside this one follow it
        let inner = after.iter().take_while(|other| other.range.start < edit.range.end).count();
        let (inner, after) = after.split_at(inner);
        out.push_str(&text[at..edit.range.start]);
        match &edit.kind {
            Kind::Choice(alternatives) => {
                out.push('(');
                for (number, alternative) in alternatives {
                    out.push_str(&format!("if crate::mutant::on({number}) {{ "));
                    let start = out.len();
                    out.push_str(alternative);
                    places.push((*number, start..out.len()));
                    out.push_str(" } else ");
                }
                out.push_str("{ ");
                write(out, text, edit.range.clone(), inner, places);
                out.push_str(" })");
            }
            Kind::Return(number, value) => {
                out.push_str(&format!(" if crate::mutant::on({number}) {{ "));
                let start = out.len();
                out.push_str(&format!("return {value};"));
                places.push((*number, start..out.len()));
                out.push_str(" } ");
            }
            Kind::Guard(number) => {
                let start = out.len();
                out.push_str(&format!(" if !crate::mutant::on({number})"));
                places.push((*number, start..out.len()));
            }
            Kind::Nothing => {}
        }
        at = edit.range.end;
        rest = after;
    }
    out.push_str(&text[at..range.end]);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = std::env::args().nth(1).ok_or("usage: schemata TREE <mutants.json >places.json")?;
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let mut files: BTreeMap<String, Vec<Mutant>> = BTreeMap::new();
    for mutant in serde_json::from_str::<Vec<Mutant>>(&input)? {
        files.entry(mutant.file.clone()).or_default().push(mutant);
    }
    let mut outcome = Outcome { places: Vec::new(), formless: Vec::new() };
    for (file, mutants) in &files {
        let path = Path::new(&tree).join(file);
        let text = std::fs::read_to_string(&path)?;
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut finder = Finder { text: &text, lines, mutants, edits: Vec::new(), found: Vec::new(), constant: 0 };
        finder.visit_file(&syn::parse_file(&text)?);
        let Finder { mut edits, found, .. } = finder;
        outcome.formless.extend(mutants.iter().map(|mutant| mutant.number).filter(|number| !found.contains(number)));
        edits.sort_by_key(|edit| (edit.range.start, std::cmp::Reverse(edit.range.end)));
        let (mut out, mut places) = (String::new(), Vec::new());
        write(&mut out, &text, 0..text.len(), &edits, &mut places);
        std::fs::write(&path, out)?;
        outcome.places.extend(places.into_iter().map(|(number, at)| Written { file: file.clone(), number, start: at.start, end: at.end }));
    }
    serde_json::to_writer(std::io::stdout().lock(), &outcome)?;
    Ok(std::io::stdout().flush()?)
}
