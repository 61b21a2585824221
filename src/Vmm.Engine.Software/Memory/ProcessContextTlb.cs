namespace Vmm.Engine.Software.Memory;

/// <summary>
/// The fast TLBs of one process context (SDM Vol. 3A 4.10.1): while another is current they wait, and what is invalidated
/// meanwhile is dropped from them when they become current again.
/// </summary>
internal sealed unsafe class ProcessContextTlb : IDisposable
{
    private readonly LinearTlb[] _tables = [new(), new(), new(), new(), new(), new()];

    public LinearTlb ReadTable(TlbPrivilege privilege) => _tables[(int)privilege];

    public LinearTlb WriteTable(TlbPrivilege privilege) => _tables[(int)privilege + 1];

    public int Pcid { get; set; }

    /// <summary>Generation of the context's translations that the entries are of; see <see cref="TranslationCache"/>.</summary>
    public ulong Generation { get; set; }

    /// <summary>Generation of its entries in the jump cache.</summary>
    public uint JumpGeneration { get; set; }

    /// <summary>That of global entries then: what lies on a global page in part only is an entry of the context.</summary>
    public uint GlobalJumpGeneration { get; set; }

    /// <summary>Pages that had been invalidated when it was current last; see <see cref="InvalidatedPages"/>.</summary>
    public long InvalidationsSeen { get; set; }

    /// <summary>When it became current.</summary>
    public long LastUse { get; set; }

    public void Clear()
    {
        foreach (LinearTlb table in _tables)
        {
            table.Clear();
        }
    }

    public void ClearPage(ulong linear)
    {
        foreach (LinearTlb table in _tables)
        {
            table.ClearPage(linear);
        }
    }

    /// <summary>Drops write permissions for a page, by host address; false when there were none.</summary>
    public bool RevokeWrites(byte* host)
    {
        bool found = false;
        for (int n = 1; n < _tables.Length; n += 2)
        {
            found |= _tables[n].ClearHostPage(host);
        }

        return found;
    }

    public void Dispose()
    {
        foreach (LinearTlb table in _tables)
        {
            table.Dispose();
        }
    }
}
