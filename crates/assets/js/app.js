// The page's scripts begin here.
