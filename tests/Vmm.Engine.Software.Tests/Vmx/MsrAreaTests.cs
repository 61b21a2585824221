using System.Buffers.Binary;
using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>MSR areas of VM entries and VM exits (SDM Vol. 3C 27.4, 28.4, 28.6, 28.7).</summary>
public sealed class MsrAreaTests
{
    private const uint FastStrings = Msr.Ia32MiscEnable;
    private const uint Unknown = 0x1234;
    private const uint X2Apic = 0x808;

    [Fact]
    public void An_entry_loads_its_area_in_order()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Area(machine, VmcsField.EntryMsrLoadAddress, VmcsField.EntryMsrLoadCount, (Msr.Ia32Lstar, 1), (Msr.Ia32Cstar, 2), (Msr.Ia32Lstar, 3));
        machine.Launch(a => a.nop());
        Assert.Equal(3UL, Saved(machine, Msr.Ia32Lstar));
        Assert.Equal(2UL, Saved(machine, Msr.Ia32Cstar));
    }

    [Theory]
    [InlineData(Unknown, 0ul)]
    [InlineData(X2Apic, 0ul)]
    [InlineData(Msr.Ia32FsBase, 0ul)]
    [InlineData(Msr.Ia32GsBase, 0ul)]
    [InlineData(FastStrings, 1ul << 40)] // a reserved bit
    [InlineData(Msr.Ia32Lstar, 1ul << 63)] // not canonical
    [InlineData(Msr.Ia32Efer, 0ul)] // LME cannot change with paging on
    public void An_entry_that_cannot_load_a_register_exits_with_reason_34_and_the_number_of_the_entry(uint register, ulong value)
    {
        using VmxMachine machine = new VmxMachine().Start();
        ulong before = machine[VmcsField.GuestIa32SysenterEip];
        Area(machine, VmcsField.EntryMsrLoadAddress, VmcsField.EntryMsrLoadCount, (Msr.Ia32SysenterEip, 0x5555), (register, value));
        Assert.True(machine.Launch(a => a.nop()).IsSuccess);
        Assert.Equal(ExitReason.EntryFailureMsrLoading, Assert.Single(machine.Exits).Reason);
        Assert.True(machine.Last.EntryFailure);
        Assert.Equal(34UL | 1UL << 31, machine[VmcsField.ExitReason]);
        Assert.Equal(2UL, machine.Last.Qualification);

        // A failed entry neither changes the guest-state area nor launches the VMCS.
        Assert.Equal(before, machine[VmcsField.GuestIa32SysenterEip]);
        Assert.Equal(VmxMachine.Code, machine[VmcsField.GuestRip]);
        Assert.Equal(VmxResult.FailValid(VmInstructionError.VmresumeNonLaunchedVmcs), machine.Processor.VmResume(machine));
    }

    [Fact]
    public void Reserved_bits_of_an_entry_fail_the_load()
    {
        using VmxMachine machine = new VmxMachine().Start();
        HostPage area = Area(machine, VmcsField.EntryMsrLoadAddress, VmcsField.EntryMsrLoadCount, (Msr.Ia32Lstar, 1));
        area.Memory.Span[4] = 1;
        machine.Launch(a => a.nop());
        Assert.Equal(ExitReason.EntryFailureMsrLoading, machine.Last.Reason);
        Assert.Equal(1UL, machine.Last.Qualification);
    }

    [Fact]
    public void An_entry_after_an_exit_in_place_loads_its_area_again()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Area(machine, VmcsField.EntryMsrLoadAddress, VmcsField.EntryMsrLoadCount, (Msr.Ia32KernelGsBase, 7));
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.swapgs();
            a.vmcall();
        });
        Assert.Equal(7UL, Saved(machine, Msr.Ia32KernelGsBase));
    }

    [Fact]
    public void An_exit_stores_what_the_guest_left()
    {
        using VmxMachine machine = new VmxMachine().Start();
        HostPage area = Area(machine, VmcsField.ExitMsrStoreAddress, VmcsField.ExitMsrStoreCount, (Msr.Ia32KernelGsBase, 0), (Msr.Ia32GsBase, 0));
        machine[VmcsField.GuestGsBase] = 0x6000;
        machine.Launch(a => a.swapgs());
        Assert.Equal(0x6000UL, BinaryPrimitives.ReadUInt64LittleEndian(area.Memory.Span[8..]));
        Assert.Equal(0UL, BinaryPrimitives.ReadUInt64LittleEndian(area.Memory.Span[24..]));
    }

    [Fact]
    public void An_exit_loads_the_host_after_it_has_stored_the_guest()
    {
        using VmxMachine machine = new VmxMachine().Start();
        HostPage stored = Area(machine, VmcsField.ExitMsrStoreAddress, VmcsField.ExitMsrStoreCount, (Msr.Ia32Cstar, 0));
        Area(machine, VmcsField.EntryMsrLoadAddress, VmcsField.EntryMsrLoadCount, (Msr.Ia32Cstar, 5));
        Area(machine, VmcsField.ExitMsrLoadAddress, VmcsField.ExitMsrLoadCount, (Msr.Ia32Cstar, 6), (Msr.Ia32SysenterEip, 0x7000));
        ulong sysenter = machine[VmcsField.GuestIa32SysenterEip];
        machine.Launch(a => a.nop());
        Assert.Equal(5UL, BinaryPrimitives.ReadUInt64LittleEndian(stored.Memory.Span[8..]));
        Assert.Equal(6UL, Saved(machine, Msr.Ia32Cstar));
        Assert.Equal(sysenter, machine[VmcsField.GuestIa32SysenterEip]); // the guest's is in its field
    }

    [Theory]
    [InlineData(VmcsField.ExitMsrStoreAddress, VmcsField.ExitMsrStoreCount, VmxAbort.SavingGuestMsrs)]
    [InlineData(VmcsField.ExitMsrLoadAddress, VmcsField.ExitMsrLoadCount, VmxAbort.LoadingHostMsrs)]
    public void An_exit_that_cannot_store_or_load_a_register_is_a_VMX_abort(VmcsField address, VmcsField count, VmxAbort abort)
    {
        using VmxMachine machine = new VmxMachine().Start();
        Area(machine, address, count, (Unknown, 0));
        Assert.Equal(VmxResult.FailInvalid, machine.Launch(a => a.nop()));
        Assert.Empty(machine.Exits); // there is no host left to exit to
        Assert.Equal(abort, ((LogicalProcessor)machine.Processor).Memory.VmcsRegions[VmxMachine.VmcsRegion].AbortIndicator);
        Assert.Equal(VmxResult.FailInvalid, machine.Processor.VmResume(machine));
    }

    private static HostPage Area(VmxMachine machine, VmcsField address, VmcsField count, params (uint Register, ulong Value)[] entries)
    {
        HostPage page = machine.AllocatePage();
        for (int n = 0; n < entries.Length; n++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(page.Memory.Span[(n * 16)..], entries[n].Register);
            BinaryPrimitives.WriteUInt64LittleEndian(page.Memory.Span[((n * 16) + 8)..], entries[n].Value);
        }

        machine[address] = page.PhysicalAddress;
        machine[count] = (ulong)entries.Length;
        return page;
    }

    private static ulong Saved(VmxMachine machine, uint register)
    {
        ProcessorState state = new();
        machine.Processor.SaveState(state);
        return state.Msrs[register];
    }
}
