using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Vmm.Engine.Software.Decode;
using Vmm.Engine.Software.Events;
using Vmm.Engine.Software.State;
using Vmm.Vmx;

namespace Vmm.Engine.Software.Memory;

/// <summary>The memory unit of one processor: translation, its caches, and accesses that the fast path cannot serve.</summary>
internal sealed unsafe partial class Mmu : IDisposable
{
    private readonly CpuState* _state;
    private readonly PhysicalAccess _physical;
    private readonly PageWalker _walker;
    private readonly ExtendedPageTables _ept;
    private readonly TranslationCache _translations = new();
    private readonly IMemoryExits _exits;
    private readonly Translation* _refused = (Translation*)NativeMemory.AllocZeroed((nuint)sizeof(Translation));

    // What device memory looks like to instruction fetch: an open bus. No guest writes to it.
    private static readonly byte* OpenBus = AllocateOpenBus();

    public Mmu(CpuState* state, PhysicalAddressSpace memory, IMemoryExits exits)
    {
        _state = state;
        _exits = exits;
        _context = _contexts[0];
        _physical = new PhysicalAccess(memory);
        _ept = new ExtendedPageTables(state, _physical, exits);
        _walker = new PageWalker(state, _physical, _ept);
        UpdatePrivilege();
    }

    /// <summary>What EPT allows at the address of a device access.</summary>
    public EptAccess RefusedRights => _ept.RefusedRights;

    /// <summary>What a handler returns after an access failed.</summary>
    public Outcome FailureOutcome { get; private set; } = Outcome.Fault;

    /// <summary>What must know that linear addresses translate differently.</summary>
    public JumpCache? Jumps { get; set; }

    /// <summary>Reads that the fast TLB did not serve and will serve from now on.</summary>
    public long ReadMisses { get; private set; }

    /// <summary>The same of writes.</summary>
    public long WriteMisses { get; private set; }

    /// <summary>Fetches that no jump or link had an answer for.</summary>
    public long FetchMisses { get; private set; }

    /// <summary>TLB misses that needed a walk of the paging structures.</summary>
    public long Walks { get; private set; }

    private static byte* AllocateOpenBus()
    {
        byte* page = (byte*)NativeMemory.AlignedAlloc(0x1000 + 16, 4096);
        new Span<byte>(page, 0x1000 + 16).Fill(0xFF);
        return page;
    }

    /// <summary>The same, once: the next failure is a fault again unless it says otherwise.</summary>
    public Outcome TakeFailure()
    {
        Outcome outcome = FailureOutcome;
        FailureOutcome = Outcome.Fault;
        return outcome;
    }

    /// <summary>Records how a handler that could not access memory ends.</summary>
    public void Fail(Outcome outcome) => FailureOutcome = outcome;

    /// <summary>The translation of a linear page for an access; null: <see cref="FailureOutcome"/> says why.</summary>
    private Translation* Translate(ulong linear, in LinearAccess access)
    {
        ulong page = linear & Tlb.PageMask;
        Translation* cached = _translations.Find(page);
        if (cached != null && access.IsAllowed(_state, cached->Flags) && EptAllows(cached->Flags, access.Kind)
            && (access.Kind != AccessKind.Write || (cached->Flags & PageFlags.Dirty) != 0))
        {
            return cached;
        }

        Walks++;
        WalkResult result = _walker.Walk(page, access, out Translation translation);
        if (result != WalkResult.Done)
        {
            FailWalk(linear, access, result);
            return null;
        }

        if (!_ept.Translate(translation.GuestPhysical | (linear & 0xFFF), access.Kind, linear, false, out ulong physical, out PageFlags rights))
        {
            FailureOutcome = _ept.FailureOutcome;
            return null;
        }

        if ((rights & PageFlags.EptRefused) != 0)
        {
            translation.Host = null;
            translation.Flags |= PageFlags.EptRefused;
            *_refused = translation;
            return _refused;
        }

        translation.Physical = physical & Tlb.PageMask;
        translation.Host = _physical.Host(translation.Physical, out bool readOnly);
        translation.Flags |= rights | (readOnly ? PageFlags.ReadOnly : PageFlags.None);
        return _translations.Insert(page, translation);
    }

    private static bool EptAllows(PageFlags flags, AccessKind kind) => kind switch
    {
        AccessKind.Read => (flags & PageFlags.EptRead) != 0,
        AccessKind.Write => (flags & PageFlags.EptWrite) != 0,
        _ => (flags & PageFlags.EptExecute) != 0,
    };

    private void FailWalk(ulong linear, in LinearAccess access, WalkResult result)
    {
        if (result == WalkResult.Aborted)
        {
            FailureOutcome = _ept.FailureOutcome;
            return;
        }

        // A fault drops what is cached for the page (SDM Vol. 3A 4.10.4.1).
        DropPage(linear);
        _state->FaultAddress = linear;
        FailureOutcome = Faults.Raise(_state, ExceptionVector.PageFault, access.ErrorCode(_state, result));
    }

    /// <summary>Translates an instruction fetch; false: a fault was raised.</summary>
    public bool TranslateFetch(ulong linear, out FetchTarget target)
    {
        target = default;

        // The instruction before is done: an exit of the fetch must not go back to it.
        _state->CurrentInstruction = null;
        if (!IsCanonical(linear))
        {
            Faults.Raise(_state, ExceptionVector.GeneralProtection, 0);
            FailureOutcome = Outcome.Fault;
            return false;
        }

        Translation* translation = Translate(linear, LinearAccess.Explicit(_state, AccessKind.Fetch));
        if (translation == null)
        {
            return false;
        }

        FetchMisses++;
        NoteFetch(linear);
        ulong offset = linear & 0xFFF;
        bool memory = translation->Host != null;
        target = new FetchTarget((memory ? translation->Host : OpenBus) + offset, memory, (translation->Flags & PageFlags.Global) != 0);
        return true;
    }

    private bool In64BitMode => (_state->BlockMode & BlockMode.SizeMask) == BlockMode.Code64;

    /// <summary>Whether an address is canonical; all are outside 64-bit mode, where linear addresses have 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsCanonical(ulong linear) => (ulong)((long)(linear << 16) >> 16) == linear;

    public void Dispose()
    {
        foreach (ProcessContextTlb context in _contexts)
        {
            context.Dispose();
        }

        _empty.Dispose();
        _translations.Dispose();
        _ept.Dispose();
        NativeMemory.Free(_refused);
    }
}
