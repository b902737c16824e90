//! The scanner's verdicts, place by place. `shell_oracle` asks real shells the same question.

use super::shell::{Danger, Scanner};

/// The verdicts on the placeholders, each written `@`.
fn verdicts(script: &str) -> Vec<Option<Danger>> {
    let mut scanner = Scanner::new();
    let pieces: Vec<&str> = script.split('@').collect();
    let mut found = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        scanner.literal(piece);
        if i + 1 < pieces.len() {
            found.push(scanner.placeholder());
        }
    }
    found
}

#[test]
fn a_whole_word_is_safe() {
    for script in [
        "ls @",
        "ls 'a b' @",
        "ls \"$HOME\"/@/x --dir=@",
        "x=$(cat @); echo \"$x\"",
        "echo it\\'s @",
        "echo a#b @",
        "echo \"a # b\" @",
        "# don't\nls @",
        "cat <<EOF\nit's\nEOF\nls @",
        "cat <<-'END'\n\tit's \"\n\tEND\nls @",
        "cat <<A <<B\n'\nA\n\"\nB\nls @",
        "grep x <<< @ && ls @",
        "echo ${x#\"'\"} @",
        "echo $((1 + (2 << 3))) @",
        "echo $$@ \"$(echo \"a)b\" '(')\" @",
        "(cd @ && ls) | wc -l",
        "case @ in a) ls @ ;; esac",
        "echo `date` @",
        "echo \\\\\\\\ @",
        "f() { ls @; }; if [ @ = x ]; then :; fi",
        "echo @#@",
        "[[ -e /x ]] && ls @",
        "eval \"$x\"; ls @",
    ] {
        for verdict in verdicts(script) {
            assert_eq!(verdict, None, "{script}");
        }
    }
}

#[test]
fn everything_else_is_refused() {
    use Danger::{
        AfterBackslash, AfterDollar, Arithmetic, Backticks, Comment, DoubleQuotes, Evaluated, Heredoc, HeredocMark, Lost, Parameter,
        QuotedSubstitution, SingleQuotes,
    };
    for (script, danger) in [
        ("ls '@'", SingleQuotes),
        ("ls 'a\nb @'", SingleQuotes),
        ("ls $'a @'", SingleQuotes),
        ("ls \"@\"", DoubleQuotes),
        ("ls \"a\\\"@\"", DoubleQuotes),
        ("ls \"it's @\"", DoubleQuotes),
        ("ls \"${x:-\"y\"}@\"", DoubleQuotes),
        ("ls \"$(echo \")\" ')')@\"", DoubleQuotes),
        ("ls `cat @`", Backticks),
        ("ls \"`cat @`\"", Backticks),
        ("ls \"$(cat @)\"", QuotedSubstitution),
        ("ls \"$(cat $(ls @))\"", QuotedSubstitution),
        ("ls ${x:-@}", Parameter),
        ("ls \"${x:-@}\"", Parameter),
        ("echo $((@ + 1))", Arithmetic),
        ("(( x = @ ))", Arithmetic),
        ("[[ @ -gt 3 ]] && ls", Arithmetic),
        ("eval ls @", Evaluated),
        ("cat <<EOF\n@\nEOF", Heredoc),
        ("cat <<'EOF'\n@\nEOF", Heredoc),
        ("cat <<EOF >out; ls\na\n EOF\n@", Heredoc),
        ("x=$(cat <<EOF\n@\nEOF\n)", Heredoc),
        ("cat <<\"A\" <<B\nx\nA\n@\nB", Heredoc),
        ("cat <<@\nx", HeredocMark),
        ("cat << E@\nx", HeredocMark),
        ("ls # @", Comment),
        ("ls;# it's @", Comment),
        ("echo $@", AfterDollar),
        ("echo a\\@", AfterBackslash),
        ("echo $'a\\'b' @", Lost),
        ("echo \"$(case x in a) echo \"@\" ;; esac)\"", Lost),
        ("echo \"${x#'}'}\" @", Lost),
        ("echo $[1+1] @", Lost),
    ] {
        assert_eq!(verdicts(script), [Some(danger)], "{script}");
    }
}
