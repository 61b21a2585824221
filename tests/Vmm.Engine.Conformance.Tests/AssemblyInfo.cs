// Resources of the process are counted and threads are kicked: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
