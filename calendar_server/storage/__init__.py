"""SQL storage behind Radicale: schema, collections, change log."""
