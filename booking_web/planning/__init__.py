"""Planning as people use it: repair after an absence, balance, plans to approve."""
