using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>EPT as the contract shows it (SDM Vol. 3C 29.3, 29.3.3).</summary>
public sealed class EptExitTests
{
    private const EptAccess All = EptAccess.Read | EptAccess.Write | EptAccess.Execute;
    private const ulong Other = 0x20_0000 + VmxMachine.Data;

    public static TheoryData<ulong> Misconfigured => new(
        EptEntry.Page(0x20_0000, EptAccess.Write, 2).Value,
        EptEntry.Page(0x20_0000, EptAccess.Write | EptAccess.Execute, 2).Value,
        EptEntry.Page(0x20_0000, All, 2, (MemoryType)2).Value,
        EptEntry.Page(0x20_0000, All, 2, (MemoryType)7).Value,
        EptEntry.Page(0x20_1000, All, 2).Value, // below a 2-MiB page
        EptEntry.Page(1UL << 51, All, 2).Value, // beyond the physical addresses
        EptEntry.Table(0x20_0000).Value | 8); // a reserved bit

    [Theory]
    [MemberData(nameof(Misconfigured))]
    public void A_misconfigured_entry_exits_with_the_guest_physical_address(ulong entry)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.EptDirectory[1] = entry;
        machine.Launch(a => a.mov(eax, __dword_ptr[Other + 4]));
        Assert.Equal(ExitReason.EptMisconfiguration, machine.Last.Reason);
        Assert.Equal(Other + 4, machine.Last.GuestPhysicalAddress);
        Assert.Equal(Other + 4, machine[VmcsField.GuestPhysicalAddress]);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void A_fetch_through_a_misconfigured_entry_exits_too()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.EptDirectory[1] = EptEntry.Page(0x20_0000, EptAccess.Write, 2).Value;
        machine.Launch(a =>
        {
            a.mov(eax, (int)Other);
            a.jmp(rax);
        });
        Assert.Equal(ExitReason.EptMisconfiguration, machine.Last.Reason);
        Assert.Equal(Other, machine.Last.GuestPhysicalAddress);
        Assert.Equal(Other, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void A_return_to_a_page_without_EPT_rights_is_not_made_twice()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.EptDirectory[1] = 0;
        machine.Fill(VmxMachine.Handler, a => a.vmcall());
        machine.Respond = (m, ref exit) =>
        {
            m.EptDirectory[1] = EptEntry.Page(0, All, 2).Value;
            return exit.Reason == ExitReason.EptViolation ? VmExitAction.Resume : VmExitAction.Leave;
        };
        machine.Launch(a =>
        {
            a.push(0);
            a.push((int)(0x20_0000 + VmxMachine.Handler));
            a.ret();
        });
        Assert.Equal([ExitReason.EptViolation, ExitReason.Vmcall], machine.Reasons);
        Assert.Equal(0x20_0000 + VmxMachine.Handler, machine[VmcsField.GuestRip]);
    }

    [Fact]
    public void An_access_is_made_once_the_entry_is_repaired()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.EptDirectory[1] = EptEntry.Page(0x20_0000, EptAccess.Write, 2).Value;
        machine.Respond = (m, ref _) =>
        {
            m.EptDirectory[1] = EptEntry.Page(0x20_0000, All, 2).Value;
            return VmExitAction.Resume;
        };
        machine.Launch(a => a.mov(__byte_ptr[Other], 0x5A));
        Assert.Equal([ExitReason.EptMisconfiguration, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(0x5A, machine.Memory.Bytes[(int)Other]);
    }

    [Fact]
    public void An_entry_that_only_executes_is_no_misconfiguration()
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.EptDirectory[1] = EptEntry.Page(0, EptAccess.Execute, 2).Value;
        machine.Fill(VmxMachine.Handler, a => a.vmcall());
        machine.Launch(a =>
        {
            a.mov(eax, (int)(0x20_0000 + VmxMachine.Handler));
            a.jmp(rax);
        });
        Assert.Equal(ExitReason.Vmcall, machine.Last.Reason);
        Assert.Equal(0x20_0000 + VmxMachine.Handler, machine[VmcsField.GuestRip]);
    }

    [Theory]
    [SetsControl(SecondaryProcessorBasedControls.EnableEpt)]
    [ClearsControl(SecondaryProcessorBasedControls.EnableEpt)]
    [InlineData(true, 0x11)]
    [InlineData(false, 0x22)]
    public void Guest_physical_addresses_are_translated_or_physical(bool ept, byte seen)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Memory.Bytes[(int)VmxMachine.Data] = 0x11;
        machine.Memory.Bytes[(int)Other] = 0x22;
        machine.EptDirectory[1] = EptEntry.Page(0, All, 2).Value;
        if (!ept)
        {
            machine.Clear(SecondaryProcessorBasedControls.EnableEpt | SecondaryProcessorBasedControls.UnrestrictedGuest);
        }

        machine.Launch(a => a.movzx(ebx, __byte_ptr[Other]));
        Assert.Equal(seen, machine.Processor.Registers.Rbx);
    }

    [Theory]
    [SetsControl(SecondaryProcessorBasedControls.UnrestrictedGuest)]
    [ClearsControl(SecondaryProcessorBasedControls.UnrestrictedGuest)]
    [InlineData(true, ExitReason.Hlt)]
    [InlineData(false, ExitReason.EntryFailureGuestState)]
    public void Only_an_unrestricted_guest_runs_without_paging(bool unrestricted, ExitReason reason)
    {
        using VmxMachine machine = new VmxMachine(bitness: 16).Start();
        if (!unrestricted)
        {
            machine.Clear(SecondaryProcessorBasedControls.UnrestrictedGuest);
        }

        machine.Launch(a => a.nop());
        Assert.Equal(reason, machine.Last.Reason);
    }

    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.ActivateSecondaryControls)]
    [ClearsControl(PrimaryProcessorBasedControls.ActivateSecondaryControls)]
    [InlineData(true, ExitReason.WbinvdOrWbnoinvd)]
    [InlineData(false, ExitReason.Hlt)]
    public void Secondary_controls_count_when_they_are_activated(bool activated, ExitReason first)
    {
        using VmxMachine machine = new VmxMachine().Start();
        machine.Set(SecondaryProcessorBasedControls.WbinvdExiting);
        if (!activated)
        {
            machine.Clear(PrimaryProcessorBasedControls.ActivateSecondaryControls);
        }

        machine.Launch(a => a.wbinvd());
        Assert.Equal(first, machine.Exits[0].Reason);
    }
}
