//! Foreign text inside markup: XML (HTML and SVG) and Markdown. On top of [`escape`], which every text goes through first.

use super::escape;
use crate::report::{ALTERNATIVE, ALTERNATIVES};

/// Items of a list of directives that a terminal shows: some three lines.
const ITEMS_IN_TEXT: usize = 2;

/// Text for an XML or HTML text node or a quoted attribute: no markup, no character that XML 1.0 forbids.
pub fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len().saturating_add(8));
    for c in escape(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Non-characters at the end of each plane; U+FFFE and U+FFFF are no Char of XML 1.0 (section 2.2).
            c if u32::from(c) & 0xfffe == 0xfffe => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    safe
}

/// A JSON document for a script element of HTML: nothing in it can end the element or begin a comment.
pub fn json_in_html(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Prose for Markdown (CommonMark, GitHub, GitLab): nothing in it is markup, a link, a mention or a reference. What the platforms turn
/// into references (`@name`, `#7`, `!7`, `$7`, `%7`, `&7`, `~7`) stands in a code span, the only place where they leave it alone.
pub fn markdown(text: &str) -> String {
    let text = escape(text);
    let mut safe = String::with_capacity(text.len().saturating_add(16));
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '@' | '#' | '!' | '$' | '%' | '&' | '~' | '^'
                if next.is_alphanumeric() || matches!(next, '"' | '{' | '_' | '-' | '@' | '#' | '!' | '$' | '%' | '&' | '~' | '^') =>
            {
                // Two spans that touch would be one with a longer fence: they become one span.
                if safe.ends_with('`') && !safe.ends_with("\\`") {
                    safe.pop();
                } else {
                    safe.push('`');
                }
                safe.push(c);
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    safe.push(digit);
                }
                safe.push('`');
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '!' | '&' | '$' | '^' => {
                safe.push('\\');
                safe.push(c);
            }
            // «https://…» and «www.…» become links by themselves.
            ':' if next == '/' => safe.push_str("\\:"),
            '.' if safe.get(safe.len().saturating_sub(3)..).is_some_and(|word| word.eq_ignore_ascii_case("www")) => safe.push_str("\\."),
            '-' | '+' | '=' if safe.is_empty() => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Our own prose for HTML, in which words between single backticks are code. What is foreign in it may make code too, never markup.
pub fn html_prose(text: &str) -> String {
    with_code(text, xml, |code| format!("<code>{}</code>", xml(code)))
}

/// The same for Markdown.
pub fn markdown_prose(text: &str) -> String {
    with_code(text, markdown, markdown_code)
}

/// An advice for HTML: a list of what the product can be is folded.
pub fn html_advice(line: &str) -> String {
    let Some((lead, items)) = alternatives(line) else { return html_prose(line) };
    let items: Vec<String> = items.iter().map(|item| html_prose(item)).collect();
    format!("<details><summary>{}</summary><ul><li>{}</li></ul></details>", html_prose(lead), items.join("</li><li>"))
}

/// The same for Markdown, within one line.
pub fn markdown_advice(line: &str) -> String {
    let Some((lead, items)) = alternatives(line) else { return markdown_prose(line) };
    let items: Vec<String> = items.iter().map(|item| markdown_prose(item)).collect();
    format!("{} <details><summary>directives</summary>{}</details>", markdown_prose(lead), items.join("<br>"))
}

/// The same for a terminal: as many items as a few lines hold.
pub fn text_advice(line: &str) -> String {
    let Some((lead, items)) = alternatives(line) else { return line.to_owned() };
    let shown = items.iter().take(ITEMS_IN_TEXT).copied().collect::<Vec<_>>().join(ALTERNATIVE);
    match items.len().saturating_sub(ITEMS_IN_TEXT) {
        0 => format!("{lead}: {shown}"),
        more => format!("{lead}: {shown}{ALTERNATIVE}… and {more} more (--format markdown)"),
    }
}

/// What stands before the list of an advice, and its items.
fn alternatives(line: &str) -> Option<(&str, Vec<&str>)> {
    let (lead, list) = line.split_once(ALTERNATIVES)?;
    let lead = line.get(..lead.len().saturating_add(ALTERNATIVES.trim_end_matches([':', ' ']).len())).unwrap_or(lead);
    Some((lead, list.split(ALTERNATIVE).collect()))
}

fn with_code(text: &str, prose: impl Fn(&str) -> String, code: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) || parts.iter().skip(1).step_by(2).any(|part| part.trim().is_empty()) {
        return prose(text);
    }
    parts.iter().enumerate().map(|(place, part)| if place % 2 == 0 { prose(part) } else { code(part) }).collect()
}

/// A code span for Markdown that stays one inside a table: the fence is longer than any run of backticks in the text.
pub fn markdown_code(text: &str) -> String {
    let text = escape(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.saturating_add(1));
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() { " " } else { "" };
    // In a table, a vertical bar ends the cell even in a code span (GitHub Flavored Markdown, section 4.10).
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\u{2223}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_has_no_markup_and_no_forbidden_character() {
        assert_eq!(xml("<a href='x\">&\u{1b}\u{202e}\u{ffff}"), "&lt;a href=&#39;x&quot;&gt;&amp;\\u{1b}\\u{202e}\\u{ffff}");
        assert_eq!(xml("GET / → 200, 49 µs"), "GET / → 200, 49 µs");
    }

    #[test]
    fn json_cannot_leave_its_element() {
        assert_eq!(json_in_html("[\"</script><!--&\"]"), "[\"\\u003c/script\\u003e\\u003c!--\\u0026\"]");
    }

    #[test]
    fn markdown_prose_is_inert() {
        let cases = [
            ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)\\>"),
            ("![x](http://evil)", "\\!\\[x\\](http\\://evil)"),
            ("a|b", "a\\|b"),
            ("retried on #4, @team", "retried on `#4`, `@`team"),
            ("#1#2 and @#3", "`#1#2` and `@#3`"),
            ("- item", "\\- item"),
            ("www.evil.example", "www\\.evil.example"),
            ("the capture does not show. It", "the capture does not show. It"),
            ("{code}", "\\{code\\}"),
            ("a\nb", "a\\\\u\\{a\\}b"),
            ("10.9.0.2:80 closes after 10 s", "10.9.0.2:80 closes after 10 s"),
        ];
        for (text, safe) in cases {
            assert_eq!(markdown(text), safe);
        }
    }

    #[test]
    fn prose_has_code_between_backticks() {
        assert_eq!(markdown_prose("nginx: `keepalive_timeout 26s;` (http)"), "nginx: `keepalive_timeout 26s;` (http)");
        assert_eq!(html_prose("a `<b>` <i>"), "a <code>&lt;b&gt;</code> &lt;i&gt;");
        assert_eq!(markdown_prose("one ` alone"), "one \\` alone");
        assert_eq!(markdown_prose("``` fence"), "\\`\\`\\` fence");
    }

    #[test]
    fn advice_with_alternatives_is_folded_and_shortened() {
        let line = "Directives, if it is one of these: nginx: `a <1>;` · HAProxy: `b` · Envoy: `c`";
        assert_eq!(
            html_advice(line),
            "<details><summary>Directives, if it is one of these</summary><ul><li>nginx: <code>a &lt;1&gt;;</code></li><li>HAProxy: <code>b</code></li><li>Envoy: <code>c</code></li></ul></details>"
        );
        assert_eq!(
            markdown_advice(line),
            "Directives, if it is one of these <details><summary>directives</summary>nginx: `a <1>;`<br>HAProxy: `b`<br>Envoy: `c`</details>"
        );
        assert_eq!(
            text_advice(line),
            "Directives, if it is one of these: nginx: `a <1>;` · HAProxy: `b` · … and 1 more (--format markdown)"
        );
        assert_eq!(text_advice("Raise it."), "Raise it.");
        assert_eq!(html_advice("a · b"), "a · b");
    }

    #[test]
    fn markdown_code_keeps_its_fence() {
        assert_eq!(markdown_code("GET /"), "`GET /`");
        assert_eq!(markdown_code("a``b"), "```a``b```");
        assert_eq!(markdown_code("`x"), "`` `x ``");
        assert_eq!(markdown_code("a|b"), "`a∣b`");
    }
}
