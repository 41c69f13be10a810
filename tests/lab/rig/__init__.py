"""The lab's own tools: network namespaces, capture points, what the packets show, and the truth beside them."""
