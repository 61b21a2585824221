using Vmm.Engine.Software.Execute;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>The fast TLBs of the process contexts that were current last.</summary>
internal sealed unsafe partial class Mmu
{
    // Linux gives each processor six process-context identifiers to go round with.
    private const int MostContexts = 6;

    // For when every access needs attention (alignment checks, data breakpoints, trial runs): never filled.
    private readonly LinearTlb _empty = new();
    private readonly List<ProcessContextTlb> _contexts = [new()];
    private readonly InvalidatedPages _invalidated = new();
    private ProcessContextTlb _context;
    private long _contextLoads;

    // Data breakpoints or a trial run: every access needs attention.
    private bool _isGuarded;

    private bool IsGuarded => _isGuarded || ChecksAlignment;

    private TlbPrivilege Privilege => _state->Cpl == 3 ? TlbPrivilege.User
        : (_state->SystemFlags & (ulong)RflagsBits.Ac) == 0 ? WithoutAc
        : TlbPrivilege.Supervisor;

    private TlbPrivilege WithoutAc =>
        (_state->Cr4 & (ulong)Cr4Bits.Smap) != 0 ? TlbPrivilege.SupervisorUnderSmap : TlbPrivilege.Supervisor;

    /// <summary>
    /// After CR3 was written: its PCID (with CR4.PCIDE) becomes current, and is flushed unless <paramref name="keep"/> (bit 63 of the value written).
    /// </summary>
    public void LoadAddressSpace(bool keep)
    {
        int pcid = (_state->Cr4 & (ulong)Cr4Bits.Pcide) != 0 ? (int)_state->Cr3 & 0xFFF : 0;
        if (!keep)
        {
            _translations.FlushPcid(pcid);
        }

        _translations.Pcid = pcid;
        _context.InvalidationsSeen = _invalidated.Count;
        _context = ContextOf(pcid);
        _context.LastUse = ++_contextLoads;
        if (_context.Pcid == pcid && _context.Generation == _translations.Generation)
        {
            _invalidated.DropFrom(_context);
            ReturnToJumps();
            UpdatePrivilege();
        }
        else
        {
            _context.Pcid = pcid;
            Changed(global: false);
        }
    }

    // That of the PCID, a new one, or that which was not current for longest.
    private ProcessContextTlb ContextOf(int pcid)
    {
        ProcessContextTlb oldest = _contexts[0];
        foreach (ProcessContextTlb context in _contexts)
        {
            if (context.Pcid == pcid)
            {
                return context;
            }

            if (context.LastUse < oldest.LastUse)
            {
                oldest = context;
            }
        }

        if (_contexts.Count < MostContexts)
        {
            oldest = new ProcessContextTlb();
            _contexts.Add(oldest);
        }

        return oldest;
    }

    /// <summary>Selects the tables for the current CPL, EFLAGS.AC, CR4.SMAP, CR0.AM and data breakpoints.</summary>
    public void UpdatePrivilege()
    {
        _isGuarded = _journal != null || WatchesData;
        SelectTables(TlbPrivilege.Supervisor, TlbPrivilege.Supervisor);
        SelectTables(TlbPrivilege.SupervisorUnderSmap, WithoutAc);
        SelectTables(TlbPrivilege.User, TlbPrivilege.User);
        TlbPrivilege privilege = Privilege;
        bool aligned = ChecksAlignment;
        _state->ReadTlb = aligned ? _empty.Entries : (TlbEntry*)_state->PrivilegeTlbs[(int)privilege];
        _state->WriteTlb = aligned ? _empty.Entries : (TlbEntry*)_state->PrivilegeTlbs[(int)privilege + 1];
    }

    // What a change to one privilege, without the memory unit's help, finds.
    private void SelectTables(TlbPrivilege privilege, TlbPrivilege tables)
    {
        _state->PrivilegeTlbs[(int)privilege] = (ulong)(_isGuarded ? _empty : _context.ReadTable(tables)).Entries;
        _state->PrivilegeTlbs[(int)privilege + 1] = (ulong)(_isGuarded ? _empty : _context.WriteTable(tables)).Entries;
    }

    /// <summary>Drops write permissions for a page, by host address; false when there were none.</summary>
    public bool RevokeWrites(ulong place)
    {
        bool found = false;
        foreach (ProcessContextTlb context in _contexts)
        {
            found |= context.RevokeWrites((byte*)(place & Tlb.PageMask));
        }

        return found;
    }

    // Translations of the current context changed, and global ones too if said so.
    private void Changed(bool global)
    {
        _context.Clear();
        _context.Generation = _translations.Generation;
        _context.InvalidationsSeen = _invalidated.Count;
        UpdatePrivilege();
        if (global)
        {
            Array.Clear(_fetched);
        }

        ForgetJumps(global);
    }

    private void ReturnToJumps()
    {
        if (Jumps != null && Jumps.Generation(global: true) == _context.GlobalJumpGeneration)
        {
            Jumps.Return(_context.JumpGeneration);
        }
        else
        {
            ForgetJumps(global: false);
        }
    }

    private void ForgetJumps(bool global)
    {
        if (Jumps != null)
        {
            Jumps.Forget(global);
            _context.JumpGeneration = Jumps.Generation(global: false);
            _context.GlobalJumpGeneration = Jumps.Generation(global: true);
            if (Jumps.IsExhausted)
            {
                LogicalProcessor.Of(_state).Post(ProcessorRequest.RestartGenerations, 0, 0);
            }
        }
    }

    /// <summary>Jumps have been forgotten so often that their generations begin anew; no code that knows of one is left.</summary>
    public void RestartGenerations()
    {
        foreach (ProcessContextTlb context in _contexts)
        {
            context.Generation = 0;
        }

        Jumps!.Restart();
        Changed(global: true);
    }
}
