//! What to write into which product, as data: `products.tsv`, one row per product. The value is filled in; a side that raises rounds up,
//! a side that lowers rounds down.

use std::sync::LazyLock;

use crate::time::{NANOS_PER_SECOND, Span};

const DATA: &str = include_str!("products.tsv");

/// One product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// `nginx`.
    pub name: &'static str,
    words: &'static str,
    server: &'static str,
    client: &'static str,
    path: &'static str,
    /// What it costs.
    pub cost: &'static str,
    /// Where it is written.
    pub source: &'static str,
}

/// Which of a product's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// How long it keeps idle connections that it accepted; a value to exceed.
    Accepting,
    /// How long it keeps idle connections for reuse; a value to stay below.
    Reusing,
    /// How long its table keeps an idle flow; a value to exceed.
    Between,
}

/// Every product.
pub fn all() -> &'static [Product] {
    static ROWS: LazyLock<Vec<Product>> = LazyLock::new(|| DATA.lines().filter_map(parse).collect());
    &ROWS
}

fn parse(line: &'static str) -> Option<Product> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = line.split('\t');
    let mut next = || fields.next();
    Some(Product { name: next()?, words: next()?, server: next()?, client: next()?, path: next()?, cost: next()?, source: next()? })
}

/// The product that calls itself so (`nginx/1.22.1`); `None`: not known.
pub fn named(own: &str) -> Option<&'static Product> {
    let own = own.to_ascii_lowercase();
    let name: String = own.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect();
    let exact = |product: &&Product| product.words.split(' ').any(|word| !word.is_empty() && word == name);
    let begins = |product: &&Product| product.words.split(' ').any(|word| word.len() >= 4 && name.starts_with(word));
    all().iter().find(exact).or_else(|| all().iter().find(begins))
}

/// The product whose name begins so.
pub fn titled(name: &str) -> Option<&'static Product> {
    all().iter().find(|product| product.name.starts_with(name))
}

/// Products that contain every word in their name, their words or their directives, whatever the case.
pub fn search(words: &[String]) -> Vec<&'static Product> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let holds = |product: &&Product| {
        let text = [product.name, product.words, product.server, product.client, product.path].join(" ").to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    all().iter().filter(holds).collect()
}

/// Products whose table of flows can be set, among those that the hints name; all of them where no hint does.
pub fn between(hints: &[String]) -> Vec<&'static Product> {
    let devices = || all().iter().filter(|product| !product.path.is_empty());
    devices().filter(|product| hints.iter().any(|hint| hint.contains(product.name))).collect()
}

impl Product {
    /// Whether the product has such a setting.
    pub const fn has(&self, setting: Setting) -> bool {
        !match setting {
            Setting::Accepting => self.server,
            Setting::Reusing => self.client,
            Setting::Between => self.path,
        }
        .is_empty()
    }

    /// The directives with letters for the value: what each is for, and its text.
    pub fn templates(&self) -> Vec<(&'static str, String)> {
        let fill = |template: &str| {
            let letters = [("{s}", "N"), ("{ms}", "N000"), ("{ms_more}", "(N+1)000"), ("{m}", "MINUTES"), ("{quarter}", "(N/4)s")];
            letters.iter().fold(template.to_owned(), |text, (placeholder, letter)| text.replace(placeholder, letter))
        };
        [("accepts connections", self.server), ("reuses connections", self.client), ("between", self.path)]
            .into_iter()
            .filter(|(_, template)| !template.is_empty())
            .map(|(what, template)| (what, fill(template)))
            .collect()
    }

    /// The directive with the value filled in, the code between backticks; `None`: the product has no such setting, or the value is too small for it.
    pub fn directive(&self, setting: Setting, value: Span) -> Option<String> {
        let (template, up) = match setting {
            Setting::Accepting => (self.server, true),
            Setting::Reusing => (self.client, false),
            Setting::Between => (self.path, true),
        };
        if template.is_empty() {
            return None;
        }
        let whole = |unit: i64| {
            let number = value.nanos() / unit;
            if up && number.saturating_mul(unit) < value.nanos() { number + 1 } else { number }
        };
        let seconds = whole(NANOS_PER_SECOND);
        let millis = whole(1_000_000);
        let minutes = whole(60 * NANOS_PER_SECOND);
        let too_small = |placeholder: &str, number: i64| template.contains(placeholder) && number <= 0;
        if too_small("{s}", seconds) || too_small("{ms}", millis) || too_small("{m}", minutes) {
            return None;
        }
        let filled = template
            .replace("{s}", &seconds.to_string())
            .replace("{ms}", &millis.to_string())
            .replace("{ms_more}", &(millis + 1000).to_string())
            .replace("{m}", &minutes.to_string())
            .replace("{quarter}", &if seconds >= 4 { format!("{}s", seconds / 4) } else { format!("{}ms", (millis / 4).max(1)) });
        // What is to be pasted stands before two spaces and a remark in brackets.
        Some(match filled.split_once("  (") {
            _ if filled.starts_with('(') => filled,
            Some((code, remark)) => format!("`{code}` ({remark}"),
            None => format!("`{filled}`"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_product_with_a_setting_and_a_source() {
        assert_eq!(all().len(), DATA.lines().filter(|line| !line.starts_with('#')).count());
        for product in all() {
            assert!(!product.name.is_empty() && !product.source.is_empty() && !product.cost.is_empty(), "{product:?}");
            assert!(!(product.server.is_empty() && product.client.is_empty() && product.path.is_empty()), "{product:?}");
            for setting in [Setting::Accepting, Setting::Reusing, Setting::Between] {
                let text = product.directive(setting, Span::from_secs(77)).unwrap_or_default();
                let left = ["{s}", "{ms}", "{m}", "{quarter}", "{ms_more}"].iter().any(|placeholder| text.contains(placeholder));
                assert!(!left, "{text}");
            }
        }
    }

    #[test]
    fn products_that_advice_is_promised_for_have_what_it_takes() {
        use Setting::{Accepting, Between, Reusing};
        let wanted: [(&str, &[Setting]); 29] = [
            ("nginx", &[Accepting, Reusing]),
            ("HAProxy", &[Accepting, Reusing]),
            ("Envoy", &[Accepting, Reusing]),
            ("Istio", &[Reusing]),
            ("Apache httpd", &[Accepting, Reusing]),
            ("Node.js", &[Accepting, Reusing]),
            ("Tomcat", &[Accepting]),
            ("Jetty", &[Accepting, Reusing]),
            ("gunicorn", &[Accepting]),
            ("uvicorn", &[Accepting]),
            ("Go net/http", &[Accepting, Reusing]),
            ("Java java.net.http", &[Reusing]),
            ("Apache HttpClient 5", &[Reusing]),
            ("HttpURLConnection", &[Reusing]),
            ("OkHttp", &[Reusing]),
            ("Python requests", &[Reusing]),
            ("Python httpx", &[Reusing]),
            ("Python aiohttp", &[Accepting, Reusing]),
            (".NET SocketsHttpHandler", &[Reusing]),
            ("AWS ALB", &[Accepting, Reusing]),
            ("AWS NLB", &[Between]),
            ("GCP", &[Accepting]),
            ("Azure Load Balancer", &[Between]),
            ("IPVS", &[Between]),
            ("kube-proxy", &[Between]),
            ("Linux conntrack", &[Between]),
            ("PostgreSQL", &[Accepting, Reusing]),
            ("RabbitMQ", &[Accepting, Reusing]),
            ("Kafka", &[Accepting, Reusing]),
        ];
        for (name, settings) in wanted.iter().chain(&[("MySQL", &[Accepting, Reusing][..]), ("Redis", &[Accepting, Reusing])]) {
            let product = titled(name).unwrap_or_else(|| panic!("{name} has no row"));
            for setting in *settings {
                let directive =
                    product.directive(*setting, Span::from_secs(77)).unwrap_or_else(|| panic!("{name}: nothing for {setting:?}"));
                let is_code = directive.matches('`').count() == 2 || directive.starts_with('(');
                assert!(is_code && !directive.contains('…'), "{name}: {directive}");
            }
        }
    }

    #[test]
    fn product_is_told_by_the_words_of_its_header() {
        let cases = [
            ("nginx/1.22.1", Some("nginx")),
            ("openresty", Some("nginx")),
            ("Apache/2.4.57 (Debian)", Some("Apache httpd")),
            ("Apache-Coyote/1.1", Some("Tomcat")),
            ("gunicorn", Some("gunicorn")),
            ("istio-envoy", Some("Istio")),
            ("awselb/2.0", Some("AWS ALB")),
            ("Jetty(9.4.51)", Some("Jetty")),
            ("nobody", None),
            ("", None),
        ];
        for (own, name) in cases {
            assert_eq!(named(own).map(|product| product.name), name, "{own}");
        }
    }

    #[test]
    fn raising_rounds_up_and_lowering_rounds_down() {
        let nginx = titled("nginx").unwrap();
        assert!(nginx.directive(Setting::Accepting, Span::from_millis(300_200)).unwrap().starts_with("`keepalive_timeout 301s;` (http"));
        assert!(
            nginx.directive(Setting::Reusing, Span::from_millis(9_900)).unwrap().starts_with("`keepalive_timeout 9s;` (in the upstream")
        );
        assert_eq!(nginx.directive(Setting::Reusing, Span::from_millis(900)), None, "0 s would mean something else");
        assert_eq!(nginx.directive(Setting::Between, Span::from_secs(9)), None);
    }
}
