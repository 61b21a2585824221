using Iced.Intel;
using Vmm.Sdk;
using Vmm.Vmx;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Vmx;

/// <summary>I/O and MSR bitmaps (SDM Vol. 3C 25.6.4, 25.6.9, 26.1.3).</summary>
public sealed class BitmapExitTests
{
    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.UseMsrBitmaps)]
    [InlineData(Msr.Ia32SysenterEsp, false, 0)]
    [InlineData(Msr.Ia32Lstar, false, 1024)]
    [InlineData(Msr.Ia32SysenterEsp, true, 2048)]
    [InlineData(Msr.Ia32Lstar, true, 3072)]
    public void Each_quarter_of_the_MSR_bitmap_holds_one_range_and_one_direction(uint register, bool write, int quarter)
    {
        using VmxMachine machine = new VmxMachine().Start();
        HostPage bitmap = Bitmap(machine);
        bitmap.Memory.Span[quarter + (int)((register & 0x1FFF) >> 3)] = (byte)(1 << (int)(register & 7));
        ulong exited = 0;
        machine.Respond = (m, ref _) =>
        {
            exited = m.Processor.Registers.Rcx;
            return VmExitAction.Complete;
        };
        machine.Launch(a =>
        {
            foreach (uint index in (uint[])[Msr.Ia32SysenterEsp, Msr.Ia32Lstar])
            {
                a.mov(ecx, index);
                a.rdmsr();
                a.wrmsr();
            }
        });
        Assert.Equal([write ? ExitReason.Wrmsr : ExitReason.Rdmsr, ExitReason.Hlt], machine.Reasons);
        Assert.Equal(register, exited);
    }

    [Theory]
    [InlineData(0x1FFFu, false)]
    [InlineData(0x2000u, true)]
    [InlineData(0xBFFF_FFFFu, true)]
    [InlineData(0xC000_1FFFu, false)]
    [InlineData(0xC000_2000u, true)]
    public void A_register_outside_both_ranges_exits_whatever_the_bitmap(uint register, bool exits)
    {
        using VmxMachine machine = new VmxMachine().Start();
        Bitmap(machine);
        machine.Gate(13);
        machine.Respond = (_, ref _) => VmExitAction.NextInstruction;
        machine.Launch(a =>
        {
            a.mov(ecx, register);
            a.rdmsr();
            a.nop();
        });
        Assert.Equal(exits ? [ExitReason.Rdmsr, ExitReason.Hlt] : [ExitReason.Hlt], machine.Reasons);
        Assert.Equal(!exits, machine[VmcsField.GuestRip] == VmxMachine.Handler); // the processor has no such register
    }

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.UseMsrBitmaps)]
    public void Without_the_MSR_bitmap_every_access_exits()
    {
        using VmxMachine machine = new VmxMachine().Start();
        Bitmap(machine);
        machine.Clear(PrimaryProcessorBasedControls.UseMsrBitmaps);
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.mov(ecx, Msr.Ia32Lstar);
            a.rdmsr();
            a.wrmsr();
        });
        Assert.Equal([ExitReason.Rdmsr, ExitReason.Wrmsr, ExitReason.Hlt], machine.Reasons);
    }

    [Theory]
    [SetsControl(PrimaryProcessorBasedControls.UseIoBitmaps)]
    [InlineData(0x7FFF, 1, true, false)]
    [InlineData(0x8000, 1, false, true)]
    [InlineData(0xFFFF, 1, false, true)]
    [InlineData(0x0000, 1, true, false)]
    public void Bitmap_A_has_the_lower_ports_and_bitmap_B_the_upper(int port, int width, bool byA, bool byB)
    {
        Assert.Equal(byA, Exits(port, width, fillA: true, fillB: false));
        Assert.Equal(byB, Exits(port, width, fillA: false, fillB: true));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void An_access_across_both_bitmaps_exits_by_either(int width)
    {
        int port = 0x8000 - (width / 2);
        Assert.True(Exits(port, width, fillA: true, fillB: false));
        Assert.True(Exits(port, width, fillA: false, fillB: true));
        Assert.False(Exits(port, width, fillA: false, fillB: false));
    }

    [Theory]
    [InlineData(0xFFFE, 2, false)]
    [InlineData(0xFFFF, 2, true)]
    [InlineData(0xFFFC, 4, false)]
    [InlineData(0xFFFD, 4, true)]
    public void An_access_that_wraps_around_the_port_space_exits_whatever_the_bitmaps(int port, int width, bool exits) =>
        Assert.Equal(exits, Exits(port, width, fillA: false, fillB: false));

    [Fact]
    [ClearsControl(PrimaryProcessorBasedControls.UseIoBitmaps)]
    public void Without_bitmaps_a_set_bit_means_nothing()
    {
        using VmxMachine machine = Ports(fillA: true, fillB: true);
        machine.Clear(PrimaryProcessorBasedControls.UseIoBitmaps);
        machine.Launch(a => a.@out(0x80, al));
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    [Fact]
    public void With_bitmaps_unconditional_exiting_means_nothing()
    {
        using VmxMachine machine = Ports(fillA: false, fillB: false);
        machine.Set(PrimaryProcessorBasedControls.UnconditionalIoExiting);
        machine.Launch(a => a.@out(0x80, al));
        Assert.Equal(ExitReason.Hlt, Assert.Single(machine.Exits).Reason);
    }

    private static bool Exits(int port, int width, bool fillA, bool fillB)
    {
        using VmxMachine machine = Ports(fillA, fillB);
        machine.Respond = (_, ref _) => VmExitAction.Complete;
        machine.Launch(a =>
        {
            a.mov(dx, (short)port);
            switch (width)
            {
                case 1:
                    a.@out(dx, al);
                    break;
                case 2:
                    a.@out(dx, ax);
                    break;
                default:
                    a.@out(dx, eax);
                    break;
            }
        });
        Assert.Equal(ExitReason.Hlt, machine.Last.Reason);
        return machine.Exits[0].Reason == ExitReason.IoInstruction;
    }

    private static VmxMachine Ports(bool fillA, bool fillB)
    {
        VmxMachine machine = new VmxMachine().Start();
        HostPage a = machine.AllocatePage(), b = machine.AllocatePage();
        a.Memory.Span.Fill((byte)(fillA ? 0xFF : 0));
        b.Memory.Span.Fill((byte)(fillB ? 0xFF : 0));
        machine[VmcsField.IoBitmapAAddress] = a.PhysicalAddress;
        machine[VmcsField.IoBitmapBAddress] = b.PhysicalAddress;
        machine.Set(PrimaryProcessorBasedControls.UseIoBitmaps);
        return machine;
    }

    private static HostPage Bitmap(VmxMachine machine)
    {
        HostPage bitmap = machine.AllocatePage();
        machine[VmcsField.MsrBitmapAddress] = bitmap.PhysicalAddress;
        machine.Set(PrimaryProcessorBasedControls.UseMsrBitmaps);
        return bitmap;
    }
}
