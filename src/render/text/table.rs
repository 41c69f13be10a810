//! A table that fits the page: `comfy-table` lays out the rows, the widths are decided here, so that the parts of a long table stand
//! under each other and the least important columns give way before any cell is broken.

use std::io;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table as Comfy, TableStyle, Width};
use unicode_width::UnicodeWidthStr;

use super::page::Page;

/// No borders, one line under the header.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// Columns before the first and between any two (there, one is comfy-table's own separator).
const PADDING: usize = 2;
/// No column is made narrower than this.
const NARROWEST: usize = 6;

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Figures stand at the right.
    pub figures: bool,
    /// Which gives way first where the page is narrow: the highest; 0 never does.
    pub expendable: u8,
}

/// Rows under a header.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Widest content of each column, of all rows ever.
    widths: Vec<usize>,
    headed: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[Column]) -> Self {
        let widths = columns.iter().map(|column| column.title.width()).collect();
        Self { columns: columns.to_vec(), rows: Vec::new(), widths, headed: false }
    }

    /// Adds a row of harmless text.
    pub fn row(&mut self, cells: Vec<String>) {
        self.measure(&cells);
        self.rows.push(cells);
    }

    /// Makes room for a row that comes later.
    pub fn measure(&mut self, cells: &[String]) {
        for (width, cell) in self.widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.width());
        }
    }

    /// Whether every column has room for its widest cell.
    pub fn fits(&self, page_width: usize) -> bool {
        self.widths.iter().map(|width| width.saturating_add(PADDING)).sum::<usize>() <= page_width
    }

    /// Writes the rows there are, and the header the first time.
    pub fn write(&mut self, page: &mut Page<'_>) -> io::Result<()> {
        let shown = self.layout(page.width);
        let mut table = Comfy::new();
        table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
        if !self.headed {
            table.set_header(shown.iter().filter_map(|(place, _)| self.columns.get(*place)).map(|column| column.title));
            self.headed = true;
        }
        for cells in self.rows.drain(..) {
            table.add_row(shown.iter().map(|(place, _)| cells.get(*place).map_or("", String::as_str)));
        }
        for (position, (place, width)) in shown.iter().enumerate() {
            let (Some(column), Some(kind)) = (table.column_mut(position), self.columns.get(*place)) else { continue };
            let padding = if position == 0 { PADDING } else { PADDING - 1 };
            column.set_padding((u16::try_from(padding).unwrap_or_default(), 0));
            if kind.figures {
                column.set_cell_alignment(CellAlignment::Right);
            }
            let padded = u16::try_from(width.saturating_add(padding)).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(padded)));
        }
        for line in table.lines() {
            page.line(&line)?;
        }
        Ok(())
    }

    /// The columns that are shown and their widths: first the expendable ones go, then the widest ones shrink.
    fn layout(&self, page_width: usize) -> Vec<(usize, usize)> {
        let total = |shown: &[(usize, usize)]| shown.iter().map(|(_, width)| width.saturating_add(PADDING)).sum::<usize>();
        let mut shown: Vec<(usize, usize)> = self.widths.iter().copied().enumerate().collect();
        while total(&shown) > page_width {
            let rank = |place: usize| self.columns.get(place).map_or(0, |column| column.expendable);
            let Some(first) = shown.iter().map(|(place, _)| rank(*place)).max().filter(|rank| *rank > 0) else { break };
            shown.retain(|(place, _)| rank(*place) != first);
        }
        while total(&shown) > page_width {
            let Some(widest) = shown.iter_mut().filter(|(_, width)| *width > NARROWEST).max_by_key(|(_, width)| *width) else { break };
            widest.1 = widest.1.saturating_sub(1);
        }
        shown
    }
}
