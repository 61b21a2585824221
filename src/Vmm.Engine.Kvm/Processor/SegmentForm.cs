using Vmm.Engine.Kvm.Interop;

namespace Vmm.Engine.Kvm.Processor;

/// <summary>Segment registers in KVM's form and in the VMCS's (SDM Vol. 3C table 25-2).</summary>
internal static class SegmentForm
{
    private const uint Unusable = 1 << 16;

    /// <summary>A segment register of the special registers.</summary>
    public static ref KvmSegment Of(ref KvmSpecialRegisters registers, SegmentRegister segment)
    {
        switch (segment)
        {
            case SegmentRegister.Es: return ref registers.Es;
            case SegmentRegister.Cs: return ref registers.Cs;
            case SegmentRegister.Ss: return ref registers.Ss;
            case SegmentRegister.Ds: return ref registers.Ds;
            case SegmentRegister.Fs: return ref registers.Fs;
            case SegmentRegister.Gs: return ref registers.Gs;
            case SegmentRegister.Ldtr: return ref registers.Ldt;
            default: return ref registers.Tr;
        }
    }

    /// <summary>Access rights as the VMCS holds them.</summary>
    public static uint AccessRights(in KvmSegment segment) =>
        (uint)(segment.Type & 0xF) | ((uint)segment.S << 4) | ((uint)segment.Dpl << 5) | ((uint)segment.Present << 7)
        | ((uint)segment.Avl << 12) | ((uint)segment.L << 13) | ((uint)segment.Db << 14) | ((uint)segment.G << 15)
        | (segment.Unusable != 0 ? Unusable : 0);

    /// <summary>Sets the access rights.</summary>
    public static void SetAccessRights(ref KvmSegment segment, uint rights)
    {
        segment.Type = (byte)(rights & 0xF);
        segment.S = Bit(rights, 4);
        segment.Dpl = (byte)((rights >> 5) & 3);
        segment.Present = Bit(rights, 7);
        segment.Avl = Bit(rights, 12);
        segment.L = Bit(rights, 13);
        segment.Db = Bit(rights, 14);
        segment.G = Bit(rights, 15);
        segment.Unusable = Bit(rights, 16);
    }

    public static SegmentState Read(in KvmSegment segment) => new(segment.Selector, segment.Base, segment.Limit, AccessRights(segment));

    public static void Write(ref KvmSegment segment, in SegmentState state)
    {
        segment.Selector = state.Selector;
        segment.Base = state.Base;
        segment.Limit = state.Limit;
        SetAccessRights(ref segment, state.AccessRights);
    }

    private static byte Bit(uint value, int bit) => (byte)((value >> bit) & 1);
}
