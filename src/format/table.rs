//! Columns as Docker prints them: three spaces between, and none narrower
//! than ten with them.
//!
//! The text is expected to be safe for a terminal already; see
//! [`super::escaped`].

use super::width::width;

/// Between the longest entry of a column and the next column.
const GAP: usize = 3;
/// A column with its gap is at least so wide.
const NARROWEST: usize = 10;

/// Lines of cells, aligned; the last cell of a line has no spaces behind it.
/// A newline in a cell breaks the line there.
pub fn aligned(lines: &[Vec<String>]) -> String {
    let widths = widths(lines);
    let mut out = String::new();
    for (cells, widths) in lines.iter().zip(&widths) {
        // Spaces are owed to the next cell that has something to show.
        let mut owed = 0;
        for (at, cell) in cells.iter().enumerate() {
            if !cell.is_empty() {
                out.extend(std::iter::repeat_n(' ', owed));
                owed = 0;
                out.push_str(cell);
            }
            owed += widths.get(at).map_or(0, |full| full - width(cell));
        }
        out.push('\n');
    }
    out
}

/// Text whose tabs separate cells, aligned. The newline at the end of the
/// last line is not another line.
pub fn tabbed(text: &str) -> String {
    let cells = |line: &str| line.split('\t').map(str::to_owned).collect();
    let lines: Vec<Vec<String>> = text.lines().map(cells).collect();
    aligned(&lines)
}

/// The width of every cell but the last of its line. Cells above each other
/// have the same width, until a line ends before that column: what follows it
/// is a new column, as for Go's tabwriter.
fn widths(lines: &[Vec<String>]) -> Vec<Vec<usize>> {
    let mut widths: Vec<Vec<usize>> = vec![Vec::new(); lines.len()];
    let most = lines.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..most.saturating_sub(1) {
        let mut first = 0;
        while first < lines.len() {
            let run = lines[first..]
                .iter()
                .take_while(|line| line.len() > column + 1);
            let cells: Vec<usize> = run.map(|line| width(&line[column]) + GAP).collect();
            let widest = cells.iter().copied().max().unwrap_or(0).max(NARROWEST);
            for line in &mut widths[first..first + cells.len()] {
                line.push(widest);
            }
            first += cells.len() + 1;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_three_apart_and_ten_wide() {
        let table = tabbed("ID\tIMAGE\tNAMES\n0123456789ab\tx\tweb\n1\talpine:3.19\tdb\n");
        let expected = "\
ID             IMAGE         NAMES
0123456789ab   x             web
1              alpine:3.19   db
";
        assert_eq!(table, expected);
        assert_eq!(tabbed("A\tB\n1\t2\n"), "A         B\n1         2\n");
    }

    #[test]
    fn no_line_ends_in_spaces() {
        assert_eq!(
            tabbed("A\tB\tC\n1\t\t\n1\t\t3\n"),
            "A         B         C\n1\n1                   3\n"
        );
        assert_eq!(tabbed("only\nx"), "only\nx\n");
        assert_eq!(aligned(&[]), "");
    }

    #[test]
    fn wide_characters_take_their_place() {
        assert_eq!(
            tabbed("日本語日本語\tx\nne\u{301}\ty\n"),
            "日本語日本語   x\nne\u{301}             y\n"
        );
    }

    #[test]
    fn a_shorter_line_begins_a_new_column() {
        assert_eq!(
            tabbed("aaaaaaaaaaaa\tb\nshort\nc\td\n"),
            "aaaaaaaaaaaa   b\nshort\nc         d\n"
        );
    }
}
