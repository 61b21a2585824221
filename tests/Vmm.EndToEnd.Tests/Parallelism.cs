// Several machines at once on a host of two processors would measure each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
