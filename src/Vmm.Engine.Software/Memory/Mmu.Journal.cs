namespace Vmm.Engine.Software.Memory;

/// <summary>Trial runs: every write is noted, so that it can be taken back.</summary>
internal sealed unsafe partial class Mmu
{
    private WriteJournal? _journal;

    /// <summary>From now on each access takes the slow path, and writes go to the journal.</summary>
    public void BeginJournal(WriteJournal journal)
    {
        journal.Clear();
        _journal = journal;
        UpdatePrivilege();
    }

    /// <summary>Back to normal.</summary>
    public void EndJournal()
    {
        _journal = null;
        UpdatePrivilege();
    }
}
