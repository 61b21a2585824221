using System.Runtime.InteropServices;
using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>
/// The registers of a virtual processor as KVM hands them out, each group fetched when first asked for after an exit and
/// put back before the next entry if it was written. General registers come and go in the shared page.
/// </summary>
/// <remarks>Unsafe invariant: the shared page stays mapped until the processor that owns both is disposed of.</remarks>
internal sealed unsafe class RegisterFile(KvmDescriptor vcpu, KvmRun* run)
{
    private readonly KvmDescriptor _vcpu = vcpu;
    private readonly KvmRun* _run = run;
    private Group _loaded;
    private Group _written;
    private GuestRegisters _general;
    private KvmSpecialRegisters _special;
    private KvmVcpuEvents _events;
    private KvmDebugRegisters _debug;
    private KvmXcrs _extended;

    /// <summary>General registers; what is written through the reference counts from the next entry.</summary>
    public ref GuestRegisters General
    {
        get
        {
            if ((_loaded & Group.General) == 0)
            {
                Gather();
                _loaded |= Group.General;
            }

            return ref _general;
        }
    }

    public ulong Rip
    {
        get => Shared.Rip;
        set
        {
            Shared.Rip = value;
            _run->DirtyRegisters |= KvmRun.SyncRegisters;
        }
    }

    public ulong Rflags
    {
        get => Shared.Rflags;
        set
        {
            Shared.Rflags = value;
            _run->DirtyRegisters |= KvmRun.SyncRegisters;
        }
    }

    /// <summary>Segments, descriptor tables and control registers, for reading.</summary>
    public ref readonly KvmSpecialRegisters Special => ref Load(Group.Special, KvmRequest.GetSregs2, ref _special);

    /// <summary>The same for writing.</summary>
    public ref KvmSpecialRegisters SpecialForWriting => ref Change(Group.Special, KvmRequest.GetSregs2, ref _special);

    /// <summary>Events, shadows and masks, for reading.</summary>
    public ref readonly KvmVcpuEvents Events => ref Load(Group.Events, KvmRequest.GetVcpuEvents, ref _events);

    /// <summary>The same for writing.</summary>
    public ref KvmVcpuEvents EventsForWriting => ref Change(Group.Events, KvmRequest.GetVcpuEvents, ref _events);

    /// <summary>Debug registers, for reading.</summary>
    public ref readonly KvmDebugRegisters Debug => ref Load(Group.Debug, KvmRequest.GetDebugregs, ref _debug);

    /// <summary>The same for writing.</summary>
    public ref KvmDebugRegisters DebugForWriting => ref Change(Group.Debug, KvmRequest.GetDebugregs, ref _debug);

    /// <summary>XCR0.</summary>
    public ulong Xcr0
    {
        get => Load(Group.Extended, KvmRequest.GetXcrs, ref _extended).Value;
        set
        {
            // Only XCR0 is written back, whatever else the host has.
            _extended = new KvmXcrs { Count = 1, Value = value };
            _loaded |= Group.Extended;
            _written |= Group.Extended;
        }
    }

    /// <summary>KVM has run the guest: everything is to be fetched again.</summary>
    public void Forget() => _loaded = Group.None;

    /// <summary>KVM was given an event past this object.</summary>
    public void ForgetEvents() => _loaded &= ~Group.Events;

    /// <summary>KVM has changed control registers past this object.</summary>
    public void ForgetSpecial() => _loaded &= ~Group.Special;

    /// <summary>Fetches the general registers before the first entry, which is when the page does not have them yet.</summary>
    public void Initialize()
    {
        _run->ValidRegisters = KvmRun.SyncRegisters;
        _vcpu.Request(KvmRequest.GetRegs, ref Shared);
    }

    /// <summary>Puts everything back, general registers too, before a request that may reset the processor.</summary>
    public void HandOver()
    {
        WriteBack();
        if ((_run->DirtyRegisters & KvmRun.SyncRegisters) != 0)
        {
            _vcpu.Request(KvmRequest.SetRegs, ref Shared);
            _run->DirtyRegisters &= ~KvmRun.SyncRegisters;
        }
    }

    /// <summary>After such a request: everything is to be fetched again.</summary>
    public void TakeOver()
    {
        Forget();
        _vcpu.Request(KvmRequest.GetRegs, ref Shared);
    }

    /// <summary>Puts back what was written.</summary>
    public void WriteBack()
    {
        if ((_loaded & Group.General) != 0)
        {
            Scatter();
        }

        if (_written == Group.None)
        {
            return;
        }

        // XCR0 before CR4.OSXSAVE may depend on it; events last, because loading the others may drop them.
        Put(Group.Extended, KvmRequest.SetXcrs, ref _extended);
        Put(Group.Special, KvmRequest.SetSregs2, ref _special);
        Put(Group.Debug, KvmRequest.SetDebugregs, ref _debug);
        _events.Flags = KvmVcpuEvents.ValidShadow | KvmVcpuEvents.ValidNmiPending;
        Put(Group.Events, KvmRequest.SetVcpuEvents, ref _events);
        _written = Group.None;
    }

    private ref KvmRegisters Shared => ref _run->Registers;

    private ref T Load<T>(Group group, KvmRequest request, ref T registers)
        where T : unmanaged
    {
        if ((_loaded & group) == 0)
        {
            _vcpu.Request(request, ref registers);
            _loaded |= group;
        }

        return ref registers;
    }

    private ref T Change<T>(Group group, KvmRequest request, ref T registers)
        where T : unmanaged
    {
        Load(group, request, ref registers);
        _written |= group;
        return ref registers;
    }

    private void Put<T>(Group group, KvmRequest request, ref T registers)
        where T : unmanaged
    {
        if ((_written & group) != 0)
        {
            _vcpu.Request(request, ref registers);
        }
    }

    private void Gather()
    {
        ref KvmRegisters from = ref Shared;
        _general.Rax = from.Rax;
        _general.Rcx = from.Rcx;
        _general.Rdx = from.Rdx;
        _general.Rbx = from.Rbx;
        _general.Rsp = from.Rsp;
        _general.Rbp = from.Rbp;
        _general.Rsi = from.Rsi;
        _general.Rdi = from.Rdi;
        _general.R8 = from.R8;
        _general.R9 = from.R9;
        _general.R10 = from.R10;
        _general.R11 = from.R11;
        _general.R12 = from.R12;
        _general.R13 = from.R13;
        _general.R14 = from.R14;
        _general.R15 = from.R15;
    }

    // A reference was handed out: nobody knows whether it was written through.
    private void Scatter()
    {
        KvmRegisters to = new()
        {
            Rax = _general.Rax,
            Rcx = _general.Rcx,
            Rdx = _general.Rdx,
            Rbx = _general.Rbx,
            Rsp = _general.Rsp,
            Rbp = _general.Rbp,
            Rsi = _general.Rsi,
            Rdi = _general.Rdi,
            R8 = _general.R8,
            R9 = _general.R9,
            R10 = _general.R10,
            R11 = _general.R11,
            R12 = _general.R12,
            R13 = _general.R13,
            R14 = _general.R14,
            R15 = _general.R15,
            Rip = Shared.Rip,
            Rflags = Shared.Rflags,
        };
        if (!MemoryMarshal.AsBytes(new ReadOnlySpan<KvmRegisters>(in to))
            .SequenceEqual(MemoryMarshal.AsBytes(new ReadOnlySpan<KvmRegisters>(in Shared))))
        {
            Shared = to;
            _run->DirtyRegisters |= KvmRun.SyncRegisters;
        }
    }

    [Flags]
    private enum Group
    {
        None = 0,
        General = 1,
        Special = 2,
        Events = 4,
        Debug = 8,
        Extended = 16,
    }
}
