use super::*;

#[test]
fn clap_message_becomes_one_line() {
    let message = "error: invalid value 'x' for '--format <FORMAT>'\n  [possible values: text, json]\n\n  tip: a similar value exists: 'text'\n\nFor more information, try '--help'.\n";
    assert_eq!(
        one_line(message),
        "invalid value 'x' for '--format <FORMAT>' [possible values: text, json]; tip: a similar value exists: 'text' (see --help)"
    );
    let missing = "error: the following required arguments were not provided:\n  --stream <N>\n\nUsage: afterfin timeline --stream <N>\n";
    assert_eq!(one_line(missing), "the following required arguments were not provided: --stream <N> (see --help)");
}

#[test]
fn trouble_goes_before_findings() {
    assert_eq!(Status::Findings.max(Status::Trouble).code(), 2);
    assert_eq!(Status::Done.max(Status::Findings).code(), 1);
}
