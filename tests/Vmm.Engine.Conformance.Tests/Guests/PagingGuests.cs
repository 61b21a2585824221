using System.Runtime.InteropServices;
using Vmm.Engine.Conformance.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Conformance.Tests.Guests;

/// <summary>Paging and its faults, and changes of mode.</summary>
internal static class PagingGuests
{
    private const ulong Table = GuestLayout.PageTables + 0x3000;
    private const uint Window = 0x60_0000; // 2 MiB that the guest maps in pages of its own

    public static IEnumerable<Guest> All =>
    [
        Fault("a page that is not present", 0, code: 0, a => a.mov(eax, __dword_ptr[Window])),
        Fault("a write to a read-only page", GuestLayout.Data | 1, code: 3, a => a.mov(__dword_ptr[Window], eax)),
        Fault("a fetch from a page without execute permission", GuestLayout.Data | 1UL << 63 | 3, code: 0x11, a =>
        {
            a.mov(ecx, Window);
            a.jmp(rcx);
        }),
        Fault("a reserved bit in a page-table entry", GuestLayout.Data | 1UL << 51 | 3, code: 9, a => a.mov(eax, __dword_ptr[Window])),
        AccessedAndDirty, Invlpg, ToLongMode, FromRealMode, ToCompatibilityMode,
    ];

    private static Guest Fault(string name, ulong entry, ulong code, Action<Iced.Intel.Assembler> cause) => new($"page fault: {name}", GuestMode.Long, cause)
    {
        Arrange = machine =>
        {
            MapWindow(machine, entry);
            machine.Gate((int)ExceptionVector.PageFault, GuestLayout.Handler);
            machine.Assemble(GuestLayout.Handler, a =>
            {
                a.pop(rbx);
                a.mov(rsi, cr2);
                Guest.End(a, GuestMode.Long);
            });
        },
        Check = machine =>
        {
            Assert.Equal(code, machine.Processor.Registers.Rbx);
            Assert.Equal(Window, machine.Processor.Registers.Rsi);
        },
    };

    private static Guest AccessedAndDirty => new("accessed and dirty bits", GuestMode.Long, a =>
    {
        a.mov(eax, __dword_ptr[Window]);
        a.mov(ebx, __dword_ptr[Table]);
        a.mov(__dword_ptr[Window], eax);
        a.mov(ecx, __dword_ptr[Table]);
    })
    {
        Arrange = machine => MapWindow(machine, GuestLayout.Data | 3),
        Check = machine =>
        {
            Assert.Equal(0x20UL, machine.Processor.Registers.Rbx & 0x60);
            Assert.Equal(0x60UL, machine.Processor.Registers.Rcx & 0x60);
        },
    };

    private static Guest Invlpg => new("a page mapped elsewhere after INVLPG", GuestMode.Long, a =>
    {
        a.mov(eax, __dword_ptr[Window]);
        a.mov(ebx, eax);
        a.mov(__dword_ptr[Table], (uint)(GuestLayout.Data + 0x1000) | 3);
        a.invlpg(__[Window]);
        a.mov(ecx, __dword_ptr[Window]);
    })
    {
        Arrange = machine =>
        {
            MapWindow(machine, GuestLayout.Data | 3);
            machine.Memory.Bytes[(int)GuestLayout.Data] = 1;
            machine.Memory.Bytes[(int)GuestLayout.Data + 0x1000] = 2;
        },
        Check = machine =>
        {
            Assert.Equal(1UL, machine.Processor.Registers.Rbx);
            Assert.Equal(2UL, machine.Processor.Registers.Rcx);
        },
    };

    private static Guest ToLongMode => new("from protected mode to long mode", GuestMode.Protected, EnterLongMode)
    {
        Arrange = machine => machine.Assemble(
            GuestLayout.Handler,
            a =>
            {
                a.mov(rbx, 0x1122_3344_5566_7788L);
                a.@out(0x80, al);
                Guest.End(a, GuestMode.Long);
            },
            bitness: 64),
        Check = machine =>
        {
            Assert.Equal(0x1122_3344_5566_7788UL, machine.Processor.Registers.Rbx);
            Assert.NotEqual(0UL, machine[VmcsField.GuestIa32Efer] & (ulong)EferBits.Lma);
        },
    };

    private static Guest FromRealMode => new("from real mode to protected mode and back", GuestMode.Real, a =>
    {
        Iced.Intel.Label real = a.CreateLabel();
        a.cli();
        a.mov(ebx, 0);
        a.lgdt(__[0x4000]);
        a.mov(eax, cr0);
        a.or(al, 1);
        a.mov(cr0, eax);
        a.mov(cx, GuestLayout.DataSelector);
        a.mov(ds, cx);
        a.mov(esi, 0x2_0000);
        a.mov(__dword_ptr[esi], 0x1234); // beyond 64 KiB: the limit is now 4 GiB
        a.and(al, 0xFE);
        a.mov(cr0, eax);
        a.xor(cx, cx);
        a.mov(ds, cx);
        a.jmp(real);
        a.Label(ref real);
        a.mov(ebx, __dword_ptr[esi]); // unreal mode: the limit stays
        a.@out(0x80, al);
    })
    {
        Arrange = machine =>
        {
            MemoryMarshal.Write(machine.Memory.Bytes[0x4000..], (ushort)0xFF);
            MemoryMarshal.Write(machine.Memory.Bytes[0x4002..], (uint)GuestLayout.Gdt);
        },
        Check = machine => Assert.Equal(0x1234UL, machine.Processor.Registers.Rbx),
    };

    private static Guest ToCompatibilityMode => new("from long mode to compatibility mode and back", GuestMode.Long, a =>
    {
        a.jmp(__fword_ptr[0x2_0000]);
    })
    {
        Arrange = machine =>
        {
            FarPointer(machine, 0x2_0000, 0x1_9000, GuestLayout.Code32Selector);
            FarPointer(machine, 0x2_0010, 0x1_A000, GuestLayout.Code64Selector);
            machine.Assemble(
                0x1_9000,
                a =>
                {
                    a.mov(eax, 0xFFFF_FFFF);
                    a.inc(eax); // one byte in 32-bit code, a REX prefix in 64-bit code
                    a.mov(ebx, eax);
                    a.@out(0x80, al);
                    a.jmp(__fword_ptr[0x2_0010]);
                },
                bitness: 32);
            machine.Assemble(0x1_A000, a =>
            {
                a.mov(rsi, 0x1_0000_0000L);
                Guest.End(a, GuestMode.Long);
            });
        },
        Check = machine =>
        {
            Assert.Equal(0UL, machine.Processor.Registers.Rbx);
            Assert.Equal(0x1_0000_0000UL, machine.Processor.Registers.Rsi);
        },
    };

    private static void EnterLongMode(Iced.Intel.Assembler a)
    {
        a.mov(eax, (uint)GuestLayout.PageTables);
        a.mov(cr3, eax);
        a.mov(eax, cr4);
        a.or(eax, (uint)Cr4Bits.Pae);
        a.mov(cr4, eax);
        a.mov(ecx, Msr.Ia32Efer);
        a.rdmsr();
        a.or(eax, (uint)EferBits.Lme);
        a.wrmsr();
        a.mov(eax, cr0);
        a.or(eax, (uint)Cr0Bits.Pg);
        a.mov(cr0, eax);
        a.db(0xEA); // JMP ptr16:32
        a.dd((uint)GuestLayout.Handler);
        a.dw(GuestLayout.Code64Selector);
    }

    private static void FarPointer(GuestMachine machine, int at, uint offset, ushort selector)
    {
        MemoryMarshal.Write(machine.Memory.Bytes[at..], offset);
        MemoryMarshal.Write(machine.Memory.Bytes[(at + 4)..], selector);
    }

    /// <summary>Splits the large page at <see cref="Window"/> into small ones, of which the first has an entry of its own.</summary>
    private static void MapWindow(GuestMachine machine, ulong entry)
    {
        Span<ulong> tables = MemoryMarshal.Cast<byte, ulong>(machine.Memory.Bytes[(int)GuestLayout.PageTables..]);
        tables[1024 + (int)(Window >> 21)] = Table | 7;
        MemoryMarshal.Cast<byte, ulong>(machine.Memory.Bytes[(int)Table..])[0] = entry;
    }
}
