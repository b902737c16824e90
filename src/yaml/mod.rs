//! Floor 2: YAML texts as trees with positions. The only place that knows the YAML library.
