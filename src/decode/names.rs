//! The names of where segments were captured, for people.

use crate::capture::Interface;
use crate::decode::link;
use crate::segment::Vantage;

/// Encapsulations and the kernel's interfaces, by the numbers of [`Vantage`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// By [`Vantage::stack`]; the first stands for any link type alone.
    pub stacks: Vec<String>,
    /// By the high 16 bits of [`Vantage::interface`]; the first stands for none.
    pub sub_interfaces: Vec<String>,
}

impl Names {
    /// Names a vantage: interface, the kernel's interface where the capture tells it, encapsulation.
    ///
    /// [`Vantage::interface`] holds the capture interface in its low 16 bits. Its high 16 bits number the kernel's interfaces (SLL2, NFLOG, PKTAP)
    /// from 1 in the order of their first frames; 0 is none.
    pub fn describe(&self, vantage: &Vantage, interfaces: &[Interface]) -> String {
        let [high_1, high_0, low_1, low_0] = vantage.interface.to_be_bytes();
        let number = u16::from_be_bytes([low_1, low_0]);
        let interface = interfaces.get(usize::from(number));
        let mut text = match interface.and_then(|interface| interface.name.as_deref()) {
            Some(name) => name.to_owned(),
            None => format!("interface {number}"),
        };
        let sub_interface = self.sub_interfaces.get(usize::from(u16::from_be_bytes([high_1, high_0])));
        if let Some(name) = sub_interface.filter(|name| !name.is_empty()) {
            text.push_str(" (");
            text.push_str(name);
            text.push(')');
        }
        let stack = if vantage.stack == 0 {
            interface.and_then(|interface| link::reader(interface.link_type)).map(|reader| reader.name)
        } else {
            self.stacks.get(usize::from(vantage.stack)).map(String::as_str)
        };
        if let Some(stack) = stack {
            text.push_str(", ");
            text.push_str(stack);
        }
        text
    }
}
